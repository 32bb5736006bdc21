"""What a view of one robot is made of, received: for RViz's node and the page alike."""

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.streams import JointStream, joint_streams
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.from_messages import NS_PER_S, chunk_from_message, pose_of, seconds
from qwen_vla_core.images import MAX_BYTES, image_from_message
from qwen_vla_core.scene import Scene, SceneMaker, Status

from .bounded import JOINTS_BYTES, ODOMETRY_BYTES, chunk_bytes
from .images import rgb_from_image
from .newest import Newest, stamp_in
from .qos import IMAGES, LATCHED

STREAM = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Deep enough that another publisher of the same topic hides nobody's newest message."""
REPORTS = QoSProfile(depth=20, reliability=ReliabilityPolicy.BEST_EFFORT)
TEXT_BYTES = 64 * 1024


class SceneInputs:
    """Receives all there is to draw of one robot; single-threaded.

    Nothing wakes its node: ``scene`` fetches what has arrived since it was called last.

    Attributes:
        maker: makes the scenes; gives the poses of links as well.
        values: of the last /diagnostics of policy_node and control_node: node's name -> key ->
            text.
    """

    def __init__(self, node: Node, embodiment: Embodiment) -> None:
        """Subscribe to everything the embodiment names, and to what the nodes publish."""
        self._node, self._embodiment = node, embodiment
        self.maker = SceneMaker(embodiment)
        self.values: dict[str, dict[str, str]] = {}
        self._mode = ("", "")

        def newest(kind: type, topic: str, qos: QoSProfile, largest: int) -> Newest:
            return Newest(node, kind, topic, qos, largest)

        self._joints = [
            (stream, newest(JointState, stream.topic, STREAM, JOINTS_BYTES))
            for stream in joint_streams(embodiment)
        ]
        base = embodiment.base
        self._odometry = base and newest(
            Odometry, base.driver.odometry_topic, STREAM, ODOMETRY_BYTES
        )
        self._command = newest(JointState, "control/command", STREAM, JOINTS_BYTES)
        self._chunk = newest(JointTrajectory, "policy/chunk", STREAM, chunk_bytes(embodiment))
        self._modes = newest(String, "control/mode", LATCHED, TEXT_BYTES)
        self._reports = newest(DiagnosticArray, "/diagnostics", REPORTS, TEXT_BYTES)
        self._cameras = {
            camera.name: (
                camera,
                newest(
                    CompressedImage if camera.is_compressed else Image,
                    camera.topic,
                    IMAGES,
                    MAX_BYTES,
                ),
            )
            for camera in embodiment.cameras
        }
        self._images: dict[str, bytes] = {}
        self._stamps_s: dict[str, float] = {}

    def scene(self) -> Scene:
        """All there is to draw now."""
        now_s = self._node.get_clock().now().nanoseconds / NS_PER_S
        self._take_reports()
        for stream, topic in self._joints:
            for message in topic.take_all():
                self.maker.on_joints(_named(message, stream))
        if self._odometry and (odometry := self._odometry.take_message()):
            self.maker.on_base(pose_of(odometry), seconds(odometry.header.stamp))
        if command := self._command.take_message():
            self.maker.on_command(dict(zip(command.name, command.position, strict=False)))
        if message := self._chunk.take_message():
            try:
                chunk = chunk_from_message(message, self._embodiment.joint_names)
                prefix = self._number("policy_node", "prefix_steps")
                self.maker.on_chunk(chunk, now_s, int(prefix or 0))
            except QwenVlaError:
                pass  # control_node refuses it as well, and says why
        for name, (_, topic) in self._cameras.items():
            if (data := topic.take()) is not None:
                self._images[name] = data
                self._stamps_s[name] = stamp_in(data)
        policy, control = (self.values.get(n, {}) for n in ("policy_node", "control_node"))
        return self.maker.scene(
            now_s,
            Status(
                mode=self._mode[0],
                reason=self._mode[1],
                instruction=policy.get("instruction", ""),
                inference_ms=self._number("policy_node", "inference_p50_ms"),
                image_ages_s={name: now_s - stamp for name, stamp in self._stamps_s.items()},
                limited=_pairs(control.get("limited_joints", "")),
            ),
        )

    def image(self, name: str) -> np.ndarray | None:
        """The newest image of a camera, RGB; None where there is none that can be read."""
        data = self._images.get(name)
        camera, topic = self._cameras[name]
        message = None if data is None else topic.read(data)
        try:
            return None if message is None else image_from_message(camera, message, rgb_from_image)
        except QwenVlaError:
            return None

    def _take_reports(self) -> None:
        for message in self._modes.take_all():
            mode, _, reason = message.data.partition(": ")
            self._mode = (mode, reason)
        namespace = self._node.get_namespace().rstrip("/")
        for array in self._reports.take_all():
            for status in array.status:
                where, _, name = status.name.rpartition("/")
                if where == namespace:
                    self.values[name] = {pair.key: pair.value for pair in status.values}

    def _number(self, node: str, key: str) -> float | None:
        try:
            number = float(self.values[node][key])
        except (KeyError, ValueError):
            return None
        return number if np.isfinite(number) else None


def _named(message: JointState, stream: JointStream) -> dict[str, float]:
    """Positions by the embodiment's names."""
    positions = dict(zip(message.name, message.position, strict=False))
    return {
        name: positions[driver_name]
        for name, driver_name in zip(stream.names, stream.driver_names, strict=True)
        if driver_name in positions
    }


def _pairs(text: str) -> dict[str, str]:
    """``waist velocity, elbow position`` as a mapping."""
    pairs = (pair.strip().partition(" ") for pair in text.split(",") if pair.strip())
    return {name: rule for name, _, rule in pairs}
