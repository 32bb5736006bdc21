"""What the images show: damage, black ones, a camera that froze while the robot moved."""

from collections.abc import Sequence

import cv2
import numpy as np

from qwen_vla_core.embodiment import Camera, Embodiment
from qwen_vla_core.errors import QwenVlaError

from ..episode import Episode
from ..images import decode_image
from .finding import Finding, seconds_of, shortened, spans

THUMBNAIL_PX = 24
BLACK, FLAT = 8.0, 1.5
"""Mean brightness, and standard deviation, of 255, below which an image shows nothing."""
MOVED = 0.02
"""Motion as a share of a joint's range that a working camera would have shown."""
MOVED_BASE_M = 0.05
"""The same for a base, m or rad."""


def thumbnails(camera: Camera, encoded: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Small images, float32 [T, 24, 24, 3], NaN where one is damaged; and what is flat, [T, 2].

    Of each image the mean and the standard deviation of its brightness.
    """
    small = np.full((len(encoded), THUMBNAIL_PX, THUMBNAIL_PX, 3), np.nan, np.float32)
    light_T2 = np.full((len(encoded), 2), np.nan)
    for t, data in enumerate(encoded):
        if t and data == encoded[t - 1]:
            small[t], light_T2[t] = small[t - 1], light_T2[t - 1]
            continue
        try:
            image = decode_image(data, camera.name)
        except QwenVlaError:
            continue
        small[t] = cv2.resize(image, (THUMBNAIL_PX,) * 2, interpolation=cv2.INTER_AREA)
        light_T2[t] = image.mean(), image.std()
    return small, light_T2


def image_findings(
    episode: Episode, robot: Embodiment, camera: Camera, light_T2: np.ndarray
) -> list[Finding]:
    """Faults of one camera, from the second number that ``thumbnails`` returns."""
    seconds_T = seconds_of(episode, robot)
    name, encoded = f"camera {camera.name}", episode.images[camera.name]
    damaged_T = np.isnan(light_T2[:, 0])
    mean_T, spread_T = np.nan_to_num(light_T2, nan=255.0).T
    black_T = (mean_T < BLACK) & (spread_T < BLACK) & ~damaged_T
    flat_T = (spread_T < FLAT) & ~black_T & ~damaged_T
    findings = []
    for true_T, words in (
        (damaged_T, "damaged images"),
        (black_T, "black images"),
        (flat_T, "images of a single colour"),
    ):
        findings += shortened(
            [
                Finding(
                    second=float(seconds_T[first]),
                    what=f"{name}: {words} ({last - first + 1}, until {seconds_T[last]:.1f} s)",
                )
                for first, last in spans(true_T)
            ]
        )
    same_T = np.array([False, *(a == b for a, b in zip(encoded, encoded[1:], strict=False))])
    frozen = []
    for first, last in spans(same_T & ~damaged_T):
        lasted_s = seconds_T[last] - seconds_T[first - 1]
        if lasted_s >= robot.watchdogs.frozen_camera_s and _moved(
            episode, robot, camera, first - 1, last
        ):
            frozen.append(
                Finding(
                    second=float(seconds_T[first - 1]),
                    what=f"{name} is frozen for {lasted_s:.1f} s while the robot moves",
                )
            )
    return findings + shortened(frozen)


def side_of(camera: Camera) -> str:
    """Which arm carries it: left, right, or "" for a camera that sees the whole robot."""
    return next((side for side in ("left", "right") if f"{side}_wrist" in camera.tag), "")


def _moved(episode: Episode, robot: Embodiment, camera: Camera, first: int, last: int) -> bool:
    """Whether something moved from one step to another that the camera must have seen."""
    span_D = np.ptp(episode.commanded_TD[first : last + 1], axis=0)
    side = side_of(camera)
    for group in robot.groups:
        span = span_D[robot.group_slice(group.name)]
        if group.is_base:
            if span.max() > MOVED_BASE_M:
                return True
        elif not side or group.side == side:
            ranges = np.array([joint.upper - joint.lower for joint in group.joints])
            if (span > MOVED * ranges).any():
                return True
    return False
