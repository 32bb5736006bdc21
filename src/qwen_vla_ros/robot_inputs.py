"""What a view of one robot is made of, received: for RViz's node, the page and films alike."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from qwen_vla_core.embodiment import Camera, Embodiment
from qwen_vla_core.embodiment.streams import joint_streams
from qwen_vla_core.errors import ChunkError, QwenVlaError
from qwen_vla_core.from_messages import chunk_from_message, pose_of, seconds, velocity_of
from qwen_vla_core.images import MAX_BYTES, image_from_message
from qwen_vla_core.modes import split_mode
from qwen_vla_core.observation import match_joints
from qwen_vla_core.scene import Scene, SceneMaker, Status
from qwen_vla_core.types import ActionChunk

from .bounded import JOINTS_BYTES, ODOMETRY_BYTES, chunk_bytes
from .images import rgb_from_image
from .messages import check_odometry
from .qos import LATCHED, RELIABLE
from .streams import Streams

COMMAND, CHUNK = "control/command", "policy/chunk"

COMMAND_AGE_S = 0.2
"""control_node publishes in every period; ten of them at 50 Hz."""


SHARED = 5
"""Deep enough that another publisher of the joint states hides nobody's newest message."""


@dataclass(frozen=True, kw_only=True)
class NodeReport:
    """The last diagnostics of one node.

    Attributes:
        name: without its namespace. level: 0 well, 1 warning, 2 error.
        received_s: steady time, s.
    """

    name: str
    level: int
    message: str
    values: dict[str, str]
    received_s: float


def _ignored(what: object) -> None:
    """For whoever does not want to hear it."""


class RobotInputs:
    """The subscriptions of whoever shows a robot: RViz's node, the page, a film; single-threaded.

    Nothing wakes its node but the mode and the diagnostics: ``read`` fetches the streams.

    Attributes:
        maker: makes the scenes; gives the poses of links as well.
        mode: the newest text of control/mode; "" before the first.
        nodes: name -> its last diagnostics, of the nodes in our namespace.
        measured_D, command_D: positions, rad or m; of a base its velocities ahead, to the left
            and turning, m/s and rad/s. NaN for what was never received.
        chunk: the newest plan; None before the first.
        said: the instruction that was said last, where somebody tells it.
    """

    def __init__(
        self,
        node: Node,
        embodiment: Embodiment,
        on_mode: Callable[[str], None] = _ignored,
        on_report: Callable[[NodeReport], None] = _ignored,
        refuse: Callable[[str], None] = _ignored,
    ) -> None:
        """Subscribe.

        Args:
            on_mode: gets each text of control/mode. on_report: gets the diagnostics of a node.
            refuse: gets the reason, in words, for each message that cannot be shown.
        """
        self._node, self._embodiment = node, embodiment
        self._on_report_of = on_report
        self.maker = SceneMaker(embodiment)
        self.mode, self._on_mode = "", on_mode
        self.nodes: dict[str, NodeReport] = {}
        self._names = embodiment.joint_names
        self.measured_D = np.full(len(self._names), np.nan)
        self.command_D = self.measured_D.copy()
        self.chunk: ActionChunk | None = None
        self.said = ""
        self._refuse = refuse
        self._cameras = {camera.name: camera for camera in embodiment.cameras}
        self._images: dict[str, bytes] = {}
        base = embodiment.base
        self._base = slice(0) if base is None else embodiment.group_slice(base.name)
        self._streams = Streams(node, refuse)
        self._ros_s = 0.0
        self._subscribe(node)

    def scene(self, ros_s: float) -> Scene:
        """All there is to draw now, of what was read; ``ros_s`` is ROS time."""
        mode, reason = split_mode(self.mode)
        control = self.nodes.get("control_node")
        stamps_s = {
            camera.name: self._streams.stamp_s(camera.topic) for camera in self._embodiment.cameras
        }
        return self.maker.scene(
            ros_s,
            Status(
                mode=mode,
                reason=reason,
                instruction=self.instruction,
                inference_ms=self._number("policy_node", "inference_p50_ms"),
                image_ages_s={
                    name: ros_s - stamp_s
                    for name, stamp_s in stamps_s.items()
                    if stamp_s is not None
                },
                limited=_pairs(control.values.get("limited_joints", "")) if control else {},
            ),
        )

    def take_image(self, name: str) -> Image | CompressedImage | None:
        """The newest message of a camera that was not taken yet; None where it cannot be read."""
        data = self._images.pop(name, None)
        return None if data is None else self._read(name, data)

    def image(self, name: str) -> np.ndarray | None:
        """The newest image of a camera, RGB; None where there is none that can be read."""
        data = self._images.get(name)
        message = None if data is None else self._read(name, data)
        try:
            return message and image_from_message(self._cameras[name], message, rgb_from_image)
        except QwenVlaError:
            return None

    def _read(self, name: str, data: bytes) -> Image | CompressedImage | None:
        camera = self._cameras[name]
        try:
            return deserialize_message(data, _image_type(camera))
        except Exception as error:  # whatever a broken message makes the middleware raise
            self._refuse(f"{camera.topic}: cannot be read ({error})")
            return None

    def ages(self, ros_s: float) -> list[tuple[str, float | None, float]]:
        """Name of each stream, its age (None before its first message) and its limit, s."""
        ages = {topic: self._streams.age_s(topic, ros_s) for topic in self._streams.limits_s}
        return [
            (topic, round(age_s, 3) if np.isfinite(age_s) else None, self._streams.limits_s[topic])
            for topic, age_s in ages.items()
        ]

    def values(self, ros_s: float) -> dict[str, float]:
        """For /diagnostics: the age of every stream, s; no rates, only the newest is fetched."""
        ages_s = ((topic, self._streams.age_s(topic, ros_s)) for topic in self._streams.limits_s)
        return {f"age_{topic}_s": age_s for topic, age_s in ages_s}

    @property
    def instruction(self) -> str:
        """What the policy follows; without a policy_node, what was said last."""
        report = self.nodes.get("policy_node")
        return report.values.get("instruction", "") if report else self.said

    @property
    def control_silent_s(self) -> float:
        """How long nothing was received from control_node, s."""
        report = self.nodes.get("control_node")
        reported_s = time.monotonic() - report.received_s if report else np.inf
        return min(reported_s, self._streams.age_s(COMMAND, 0.0))

    @property
    def plan_TD(self) -> np.ndarray | None:
        """The chunk as ``command_D`` is; None before the first."""
        if self.chunk is None:
            return None
        plan_TD = self.chunk.positions_TD.copy()
        if self._embodiment.base is not None:
            x_T, y_T, turn_T = self.chunk.velocities_TD[:, self._base].T
            yaw_T = plan_TD[:, self._base][:, 2]
            ahead_T = np.cos(yaw_T) * x_T + np.sin(yaw_T) * y_T
            left_T = np.cos(yaw_T) * y_T - np.sin(yaw_T) * x_T
            plan_TD[:, self._base] = np.stack([ahead_T, left_T, turn_T], axis=1)
        return plan_TD

    def read(self, ros_s: float) -> None:
        """Bring everything up to date with what was received since the last call."""
        self._ros_s = ros_s
        self._streams.take()

    # --- subscriptions

    def _subscribe(self, node: Node) -> None:
        receive = self._streams.receive
        robot, watchdogs = self._embodiment, self._embodiment.watchdogs
        for camera in robot.cameras:
            kind, use = _image_type(camera), self._on_image(camera.name)
            receive(kind, camera.topic, MAX_BYTES, camera.max_age_s, use, raw=True)
        for stream in joint_streams(robot):
            use = self._on_joints(stream.driver_names, stream.rows)
            limit_s = watchdogs.joint_states_s
            receive(JointState, stream.topic, JOINTS_BYTES, limit_s, use, depth=SHARED)
        if robot.base is not None:
            topic = robot.base.driver.odometry_topic
            receive(Odometry, topic, ODOMETRY_BYTES, watchdogs.odometry_s, self._on_odometry)
        receive(JointState, COMMAND, JOINTS_BYTES, COMMAND_AGE_S, self._on_command)
        largest = chunk_bytes(robot)
        receive(JointTrajectory, CHUNK, largest, watchdogs.observation_s, self._on_chunk)
        node.create_subscription(String, "control/mode", self._on_mode_message, LATCHED)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, RELIABLE)

    def _on_image(self, name: str) -> Callable[[bytes], None]:
        def use(data: bytes) -> None:
            self._images[name] = data

        return use

    def _on_joints(self, names: tuple[str, ...], rows: tuple[int, ...]) -> Callable:
        def use(message: JointState) -> None:
            if set(names).isdisjoint(message.name):  # another publisher's, such as the wheels'
                return
            self.measured_D[list(rows)] = match_joints(message.name, message.position, names)
            self.maker.on_joints({self._names[row]: float(self.measured_D[row]) for row in rows})

        return use

    def _on_odometry(self, message: Odometry) -> None:
        check_odometry(message, False)
        self.measured_D[self._base] = velocity_of(message)
        self.maker.on_base(pose_of(message), seconds(message.header.stamp))

    def _on_command(self, message: JointState) -> None:
        positions_D = match_joints(message.name, message.position, self._names)
        velocities_D = match_joints(message.name, message.velocity, self._names, "velocities")
        self.maker.on_command(dict(zip(self._names, positions_D.tolist(), strict=True)))
        self.command_D = positions_D
        self.command_D[self._base] = velocities_D[self._base]

    def _on_chunk(self, message: JointTrajectory) -> None:
        chunk = chunk_from_message(message, self._names)
        if not np.isfinite([chunk.positions_TD, chunk.velocities_TD]).all():
            raise ChunkError("the chunk is not finite")
        self.chunk = chunk
        self.maker.on_chunk(
            chunk, self._ros_s, int(self._number("policy_node", "prefix_steps") or 0)
        )

    def _number(self, node: str, key: str) -> float | None:
        try:
            number = float(self.nodes[node].values[key])
        except (KeyError, ValueError):
            return None
        return number if np.isfinite(number) else None

    def _on_mode_message(self, message: String) -> None:
        self.mode = message.data
        self._on_mode(message.data)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        own = self._node.get_namespace().rstrip("/") + "/"
        for status in message.status:
            name = status.name.removeprefix(own)
            if not status.name.startswith(own) or "/" in name or name == self._node.get_name():
                continue
            report = NodeReport(
                name=name,
                level=status.level[0],
                message=status.message,
                values={pair.key: pair.value for pair in status.values},
                received_s=time.monotonic(),
            )
            self.nodes[name] = report
            self._on_report_of(report)


def _image_type(camera: Camera) -> type:
    return CompressedImage if camera.is_compressed else Image


def _pairs(text: str) -> dict[str, str]:
    """``waist velocity, elbow position`` as a mapping."""
    pairs = (pair.strip().partition(" ") for pair in text.split(",") if pair.strip())
    return {name: rule for name, _, rule in pairs}
