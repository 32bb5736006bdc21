"""A scene as ROS messages: markers, paths, transforms, the ghost's joints."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pinocchio as pin
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion, TransformStamped, Vector3
from nav_msgs.msg import Path
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import ColorRGBA, Header
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import Marker, MarkerArray

from qwen_vla_core.scene import (
    COMMITTED,
    EXECUTED,
    LIMIT,
    MODE_COLOURS,
    OLD,
    Scene,
    plan_words,
    time_colours,
)
from qwen_vla_core.scene.shapes import Shape

from .messages import stamp_message

LIFETIME = Duration(nanosec=600_000_000)
"""Lifetime of a marker after it was drawn last, s: an old plan must not look current."""
LINE_M, DOT_M, TEXT_M = 0.006, 0.012, 0.035
"""Width of a plan's line, of its points, and height of letters, for an arm; a base's are larger
by ``BASE_SCALE``."""
BASE_SCALE = 4.0
GHOST_ALPHA = 0.28
ABOVE_M = 0.75
"""The banner is this high above the robot."""
BANNER_LETTERS = 42
"""In a line of the banner: 0.9 m, which the layouts show."""

_KINDS = {"box": Marker.CUBE, "cylinder": Marker.CYLINDER, "sphere": Marker.SPHERE}


class SceneMarkers:
    """Scenes of one robot as markers."""

    def __init__(self, shapes: Sequence[Shape], base: str | None) -> None:
        """Prepare.

        Args:
            shapes: of the ghost. base: name of the group that drives a base.
        """
        self._balls = [shape for shape in shapes if shape.kind == "sphere"]
        self._rods = [shape for shape in shapes if shape.kind != "sphere"]
        self._ball_m = float(np.mean([shape.extent_3 for shape in self._balls] or [0.0]))
        self._base = base
        self._header = Header()  # of all markers: setting it in each takes longer
        self._markers: dict[tuple[str, int], Marker] = {}
        self._shown: dict[tuple[str, int], np.ndarray] = {}

    def markers(self, scene: Scene, ghost_poses: Mapping[str, np.ndarray]) -> MarkerArray:
        """Everything but the robot itself.

        Args:
            ghost_poses: pose [4, 4] of every link of the ghost; empty without one.
        """
        self._header.frame_id, self._header.stamp = scene.frame, stamp_message(scene.stamp_s)
        drawn = [*self._old(scene), *self._executed(scene), *self._plan(scene)]
        drawn += [*self._ghost(scene, ghost_poses), *self._footprints(scene)]
        drawn += [*self._limits(scene), self._banner(scene)]
        return MarkerArray(markers=drawn)

    def _marker(self, namespace: str, number: int, kind: int, scale: Sequence[float]) -> Marker:
        """The marker of this name and number: made once, for making one takes a while."""
        marker = self._markers.get((namespace, number))
        if marker is None:
            marker = Marker(ns=namespace, id=number, type=kind, action=Marker.ADD)
            marker.header = self._header
            marker.pose.orientation.w, marker.lifetime = 1.0, LIFETIME
            self._markers[namespace, number] = marker
        size = marker.scale
        size.x, size.y, size.z = (float(length) for length in scale)
        return marker

    def _scale(self, group: str) -> float:
        return BASE_SCALE if group == self._base else 1.0

    def _line(
        self,
        namespace: str,
        number: int,
        points_T3: np.ndarray,
        colour: tuple[float, float, float],
        width_m: float,
        alpha: float = 1.0,
    ) -> list[Marker]:
        if len(points_T3) < 2:  # RViz complains about a line of one point
            return []
        marker = self._marker(namespace, number, Marker.LINE_STRIP, (width_m, 0.0, 0.0))
        if self._shown.get((namespace, number)) is not points_T3:  # an old plan stays as it was
            self._shown[namespace, number] = points_T3
            marker.points = _points(points_T3)
        marker.color = _colour(colour, alpha)
        return [marker]

    def _text(
        self, namespace: str, number: int, at_3: np.ndarray, text: str, colour, scale: float = 1.0
    ) -> Marker:
        marker = self._marker(
            namespace, number, Marker.TEXT_VIEW_FACING, (0.0, 0.0, TEXT_M * scale)
        )
        _place(marker.pose.position, at_3)
        marker.text, marker.color = text, _colour(colour)
        return marker

    def _old(self, scene: Scene) -> list[Marker]:
        return [
            marker
            for number, old in enumerate(scene.old_plans)
            for marker in self._line(
                f"old plans/{old.group}",
                number,
                old.points_T3,
                OLD,
                0.5 * LINE_M * self._scale(old.group),
                0.7 * old.opacity,
            )
        ]

    def _executed(self, scene: Scene) -> list[Marker]:
        return [
            marker
            for path in scene.executed
            for marker in self._line(
                f"executed/{path.group}",
                0,
                path.points_T3,
                EXECUTED,
                0.8 * LINE_M * self._scale(path.group),
            )
        ]

    def _plan(self, scene: Scene) -> list[Marker]:
        drawn = []
        for path in scene.plan:
            scale = self._scale(path.group)
            ahead_T = path.due_in_T >= 0.0
            points, colours = path.points_T3[ahead_T], path.colours_T3[ahead_T]
            if len(points) > 1:
                line = self._marker(
                    f"plan/{path.group}", 0, Marker.LINE_STRIP, (LINE_M * scale, 0.0, 0.0)
                )
                dots = self._marker(
                    f"plan/{path.group}", 1, Marker.SPHERE_LIST, (DOT_M * scale,) * 3
                )
                line.points = dots.points = _points(points)
                line.colors = dots.colors = [_colour(colour) for colour in colours]
                above = points[-1] + [0.0, 0.0, 0.04]
                end = self._text(
                    f"plan/{path.group}", 2, above, f"in {path.due_in_T[-1]:.1f} s", colours[-1]
                )
                drawn += [line, dots, end]
            if path.committed:
                drawn += self._line(
                    f"committed/{path.group}",
                    0,
                    path.points_T3[: path.committed],
                    COMMITTED,
                    2.0 * LINE_M * scale,
                    0.6,
                )
        for number, event in enumerate(scene.events):
            text = f"{_plain(event.group)} {event.text} in {event.due_in_s:.1f} s"
            below = event.point_3 - [0.0, 0.0, 0.05]  # a gripper closes below where it lifts to
            drawn.append(self._text("gripper", number, below, text, EXECUTED))
        return drawn

    def _ghost(self, scene: Scene, poses: Mapping[str, np.ndarray]) -> list[Marker]:
        if scene.ghost is None:
            return []
        colour = _colour(time_colours(np.array([1.0]), 1.0)[0], GHOST_ALPHA)
        drawn = []
        for number, shape in enumerate(self._rods, 1):
            marker = self._marker("ghost", number, _KINDS[shape.kind], shape.extent_3)
            _pose(marker.pose, poses[shape.link] @ shape.pose_44)
            drawn.append(marker)
        if self._balls:  # one marker of one size for all of them
            marker = self._marker("ghost", 0, Marker.SPHERE_LIST, (self._ball_m,) * 3)
            places = [poses[shape.link] @ shape.pose_44[:, 3] for shape in self._balls]
            marker.points = _points(np.stack(places)[:, :3])
            drawn.append(marker)
        for marker in drawn:
            marker.color = colour
        return drawn

    def _footprints(self, scene: Scene) -> list[Marker]:
        drawn = []
        due = np.linspace(0.0, 1.0, len(scene.footprints)) if len(scene.footprints) else ()
        for number, (corners_43, place) in enumerate(zip(scene.footprints, due, strict=True)):
            front = corners_43[:2].mean(axis=0)
            outline = np.concatenate([corners_43, corners_43[:1]])
            arrow = np.stack([corners_43.mean(axis=0), front])
            now = number == 0
            colour = EXECUTED if now else tuple(time_colours(np.array([place]), 1.0)[0])
            for k, line in enumerate((outline, arrow)):
                drawn += self._line(
                    "footprint", 2 * number + k, line, colour, (3 if now else 2) * LINE_M
                )
        return drawn

    def _limits(self, scene: Scene) -> list[Marker]:
        drawn = []
        for number, hit in enumerate(scene.limits):
            if hit.point_3 is None:
                continue
            ball = self._marker("limits", 2 * number, Marker.SPHERE, (0.11, 0.11, 0.11))
            _place(ball.pose.position, hit.point_3)
            ball.color = _colour(LIMIT, 0.75)
            beside = hit.point_3 + [0.0, 0.0, 0.09]
            text = f"{hit.joint} {hit.text}"
            drawn += [ball, self._text("limits", 2 * number + 1, beside, text, LIMIT)]
        return drawn

    def _banner(self, scene: Scene) -> Marker:
        status = scene.status
        where = [path.points_T3[-1] for path in scene.executed]
        at = np.mean(where, axis=0) if where else np.zeros(3)
        at = np.array([at[0], at[1], ABOVE_M])
        lines = [f"{status.mode}: {status.reason}" if status.mode else "control_node is silent"]
        lines += [f"Task: {status.instruction}"] if status.instruction else []
        if words := plan_words(scene):
            label = "Next" if status.mode == "AUTONOMY" else "If started"
            lines += textwrap.wrap(f"{label}: {words}", BANNER_LETTERS)
        lines += [f"{hit.joint} {hit.text}" for hit in scene.limits]
        colour = MODE_COLOURS.get(status.mode, MODE_COLOURS["HOLD"])
        scale = 2.6 if self._base else 1.3  # a layout looks at a base from twice as far
        return self._text("mode", 0, at, "\n".join(lines), colour, scale)


class PathMessages:
    """Paths of one topic; what they are made of is made once, and what stays is not set again."""

    def __init__(self) -> None:
        self._header = Header()  # of all poses
        self._poses: list[PoseStamped] = []
        self._places_T3 = np.empty((0, 3))

    def message(self, scene: Scene, points_T3: np.ndarray) -> Path:
        """Places [T, 3] as a Path, oldest or soonest first."""
        self._header.frame_id, self._header.stamp = scene.frame, stamp_message(scene.stamp_s)
        if 0 < len(points_T3) == len(self._places_T3) and np.array_equal(
            points_T3[:-1], self._places_T3[1:]
        ):  # what was executed: the oldest place is dropped and a new one added
            self._poses.append(self._poses.pop(0))
            self._places_T3 = np.roll(self._places_T3, -1, axis=0)
        while len(self._poses) < len(points_T3):
            pose = Pose(orientation=Quaternion(w=1.0))
            self._poses.append(PoseStamped(header=self._header, pose=pose))
        del self._poses[len(points_T3) :]
        changed_T = np.ones(len(points_T3), dtype=bool)
        both = min(len(points_T3), len(self._places_T3))
        changed_T[:both] = (points_T3[:both] != self._places_T3[:both]).any(axis=1)
        for row in np.flatnonzero(changed_T):
            _place(self._poses[row].pose.position, points_T3[row])
        self._places_T3 = points_T3.copy()
        return Path(header=self._header, poses=self._poses)


class Transforms:
    """Where the links of one robot are; the message is made once."""

    def __init__(self) -> None:
        self._message = TFMessage()
        self._of_link: dict[str, TransformStamped] = {}

    def message(self, scene: Scene, poses: Mapping[str, np.ndarray]) -> TFMessage:
        """Every link directly from the scene's frame."""
        header = Header(frame_id=scene.frame, stamp=stamp_message(scene.stamp_s))
        for link, pose_44 in poses.items():
            if link != scene.frame:
                stamped = self._of_link.get(link)
                if stamped is None:
                    stamped = self._of_link[link] = TransformStamped(child_frame_id=link)
                    self._message.transforms.append(stamped)
                stamped.header = header
                transform = stamped.transform
                _place(transform.translation, pose_44[:3, 3])
                _turn(transform.rotation, pose_44)
        return self._message


def ghost_message(scene: Scene) -> JointState:
    """The joints of the robot at the end of the chunk; none without a chunk."""
    ghost = scene.ghost or {}
    message = JointState(name=list(ghost), position=list(ghost.values()))
    message.header = Header(frame_id=scene.frame, stamp=stamp_message(scene.stamp_s))
    return message


def image_message(image: np.ndarray, scene: Scene, frame: str) -> Image:
    """An RGB image, uint8 [H, W, 3], as a message."""
    height, width, _ = image.shape
    message = Image(height=height, width=width, encoding="rgb8", step=3 * width)
    message.header = Header(frame_id=frame, stamp=stamp_message(scene.stamp_s))
    message.data.frombytes(image.tobytes())  # rclpy checks a list byte by byte
    return message


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _place(vector: Point | Vector3, place_3: Sequence[float]) -> None:
    vector.x, vector.y, vector.z = (float(part) for part in place_3)


def _turn(quaternion: Quaternion, pose_44: np.ndarray) -> None:
    # pin.Quaternion(matrix) of pinocchio 4.1.0 loses 80 bytes in each call: 50 MB in a day.
    parts = pin.SE3ToXYZQUAT(pin.SE3(pose_44))[3:].tolist()
    quaternion.x, quaternion.y, quaternion.z, quaternion.w = parts


def _pose(pose: Pose, pose_44: np.ndarray) -> None:
    _place(pose.position, pose_44[:3, 3])
    _turn(pose.orientation, pose_44)


def _points(places_T3: np.ndarray) -> list[Point]:
    return [Point(x=x, y=y, z=z) for x, y, z in places_T3.tolist()]


def _colour(rgb: Sequence[float], alpha: float = 1.0) -> ColorRGBA:
    red, green, blue = rgb
    return ColorRGBA(r=float(red), g=float(green), b=float(blue), a=float(alpha))
