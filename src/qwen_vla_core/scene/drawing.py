"""A camera's image with what matters written on it, and the plan drawn over it."""

import textwrap
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from ..embodiment.schema import BASE_JOINTS
from .colours import COMMITTED, EXECUTED, MODE_COLOURS, OLD
from .description import Scene
from .words import plan_words

WIDEST_PX = 320
"""Images are shown this wide at most: enough to see a gripper, a quarter of VGA's bytes."""
MAP_SHARE, MAP_M = 0.34, 1.5
"""The map's share of an image's width, and how many metres it shows."""
_FONT, _TEXT = cv2.FONT_HERSHEY_SIMPLEX, 0.42
_LINE_PX, _MARGIN_PX = 18, 6
_LONGEST = 120
"""More letters than fit into a line: measuring a long text is slow."""


def annotated(image: np.ndarray, scene: Scene, camera: str) -> np.ndarray:
    """The image between two bars: mode and instruction above, ages below.

    Args:
        image: uint8 RGB [H, W, 3]; it is not changed.
        scene: of now.
        camera: whose image it is.
    Returns:
        uint8 RGB, at most ``WIDEST_PX`` wide.
    """
    status = scene.status
    height, width, _ = image.shape
    shown = image
    if width > WIDEST_PX:
        size = (WIDEST_PX, max(1, round(height * WIDEST_PX / width)))
        shown = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    width = shown.shape[1]
    mode = status.mode or "control_node is silent"
    colour = MODE_COLOURS.get(status.mode, MODE_COLOURS["HOLD"])
    above = np.empty((2 * _LINE_PX + 4, width, 3), dtype=np.uint8)
    above[: _LINE_PX + 2], above[_LINE_PX + 2 :] = _bytes(colour), 32
    _write(above, f"{mode}: {status.reason}" if status.reason else mode, 0, (0, 0, 0))
    _write(above, status.instruction or "no instruction", 1, (255, 255, 255))
    below = np.full((_LINE_PX + 4, width, 3), 32, dtype=np.uint8)
    age_s = status.image_ages_s.get(camera, np.inf)
    words = [camera, f"{age_s * 1e3:.0f} ms old" if np.isfinite(age_s) else "age unknown"]
    if status.inference_ms is not None:
        words.append(f"inference {status.inference_ms:.0f} ms")
    _write(below, ", ".join(words), 0, (200, 200, 200))
    return np.concatenate([above, shown, below])


def draw_plan(
    image: np.ndarray, scene: Scene, project: Callable[[np.ndarray], np.ndarray]
) -> None:
    """Draw old plans, what was executed, the plan and its events into an image.

    Args:
        image: uint8 RGB [H, W, 3], changed in place.
        project: places [N, 3] in ``scene.frame`` -> columns and rows [N, 2] in the image,
            NaN for what is behind the camera.
    """
    width = max(1, round(image.shape[1] / 160))
    for number, corners_43 in enumerate(scene.footprints):
        outline = project(np.concatenate([corners_43, corners_43[:1]]))
        _line(image, outline, EXECUTED if number == 0 else OLD, width)
    for old in scene.old_plans:
        _line(image, project(old.points_T3), np.multiply(OLD, old.opacity), width)
    for path in scene.executed:
        pixels_T2 = project(path.points_T3)
        _line(image, pixels_T2, (0.1, 0.1, 0.1), width + 2)  # white alone is lost on a light table
        _line(image, pixels_T2, EXECUTED, width)
    for path in scene.plan:
        pixels_T2 = project(path.points_T3)
        if path.committed:
            _line(image, pixels_T2[: path.committed], COMMITTED, 3 * width)
        ahead = path.due_in_T >= 0.0
        _line(image, pixels_T2[ahead], path.colours_T3[ahead], 2 * width)
        if ahead.any():
            _dot(image, pixels_T2[-1], path.colours_T3[-1], 3 * width)
            _label(image, pixels_T2[-1], f"in {path.due_in_T[-1]:.1f} s", 5 * width)
    for event in scene.events:
        (pixel,) = project(event.point_3[None])
        _dot(image, pixel, EXECUTED, 2 * width)
        _label(image, pixel, f"{event.text} in {event.due_in_s:.1f} s", -3 * width)


def draw_words(image: np.ndarray, scene: Scene) -> None:
    """Write what comes next onto the upper edge of an image; nothing without a plan."""
    if not (words := plan_words(scene)):
        return
    scale = image.shape[1] / 900
    letters = int((image.shape[1] - 2 * _MARGIN_PX) / (_width("e" * 50, scale) / 50))
    lines = textwrap.wrap(f"Next {words}", letters)
    step = round(30 * scale)
    bar = image[: step * len(lines) + 4]
    bar[:] = bar // 4 + 8
    for number, line in enumerate(lines, 1):
        at = (_MARGIN_PX, number * step - 2)
        cv2.putText(image, line, at, _FONT, scale, (255, 255, 255), 1, cv2.LINE_AA)


def draw_map(image: np.ndarray, scene: Scene) -> None:
    """Draw a base's plan from above into a corner of an image; its own camera hardly sees it.

    Ahead is up. Nothing is drawn for a robot without a base, or before its odometry came.
    """
    if not set(BASE_JOINTS) <= set(scene.joints):
        return
    x, y, yaw = (scene.joints[name] for name in BASE_JOINTS)
    side = round(MAP_SHARE * image.shape[1])
    corner = image[image.shape[0] - side :, :side]
    corner[:] = corner // 4 + 24
    ahead, left = np.array([np.cos(yaw), np.sin(yaw)]), np.array([-np.sin(yaw), np.cos(yaw)])

    def from_above(points_N3: np.ndarray) -> np.ndarray:
        away_N2 = points_N3[:, :2] - [x, y]
        metres_N2 = np.stack([-away_N2 @ left, -away_N2 @ ahead], axis=1)
        return side * ([0.5, 0.7] + metres_N2 / MAP_M)

    draw_plan(corner, replace(scene, events=()), from_above)


def _line(image: np.ndarray, pixels_T2: np.ndarray, colours: np.ndarray, width: int) -> None:
    """A line through pixels, in one colour or in one for each of its points."""
    colours_T3 = np.broadcast_to(colours, (len(pixels_T2), 3))
    places = [_place(pixel) for pixel in pixels_T2]
    for start, end, colour in zip(places[:-1], places[1:], colours_T3[1:], strict=True):
        if start is not None and end is not None:
            cv2.line(image, start, end, _bytes(colour), width, cv2.LINE_AA)


def _dot(image: np.ndarray, pixel: np.ndarray, colour: np.ndarray, radius: int) -> None:
    if (place := _place(pixel)) is not None:
        cv2.circle(image, place, radius, _bytes(colour), -1, cv2.LINE_AA)


def _label(image: np.ndarray, pixel: np.ndarray, text: str, below_px: int) -> None:
    """Words beside a pixel, where they fit: left of it at the right edge."""
    if (place := _place(pixel)) is None:
        return
    scale = max(image.shape[1] / 800, 0.3)
    (width, height), _ = cv2.getTextSize(text, _FONT, scale, 1)
    left, bottom = min(place[0] + abs(below_px), image.shape[1] - width - 2), place[1] + below_px
    box = (left - 2, bottom - height - 2), (left + width + 1, bottom + 3)
    cv2.rectangle(image, *box, (24, 24, 24), -1)
    cv2.putText(image, text, (left, bottom), _FONT, scale, (255, 255, 255), 1, cv2.LINE_AA)


def _place(pixel: np.ndarray) -> tuple[int, int] | None:
    """A pixel as OpenCV takes it; None for what has no place near any image."""
    if not (np.abs(pixel) < 1e5).all():
        return None
    return int(pixel[0]), int(pixel[1])


def _bytes(colour: np.ndarray | tuple[float, ...]) -> tuple[int, ...]:
    return tuple(int(255 * part) for part in colour)


def _write(bar: np.ndarray, text: str, line: int, colour: tuple[int, int, int]) -> None:
    """A line of text, cut where the bar ends: it is read beside other images of one scale."""
    text = text[:_LONGEST].encode("ascii", "replace").decode()  # the font has no other letters
    while len(text) > 4 and _width(text, _TEXT) > bar.shape[1] - 2 * _MARGIN_PX:
        text = text[:-4] + "..."
    place = (_MARGIN_PX, (line + 1) * _LINE_PX - 3)
    cv2.putText(bar, text, place, _FONT, _TEXT, colour, 1, cv2.LINE_AA)


def _width(text: str, scale: float) -> int:
    return cv2.getTextSize(text, _FONT, scale, 1)[0][0]
