"""What observations are made of, received: images, joint states, and what was commanded."""

import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import JointState

from qwen_vla_core.embodiment import Camera, Embodiment
from qwen_vla_core.embodiment.streams import JointStream, joint_streams
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.from_messages import NOT_OURS, seconds
from qwen_vla_core.observation import Fault, Instant, Refusal, SampleReport, SampleVerdict
from qwen_vla_core.observation.of_embodiment import assembler_of
from qwen_vla_core.types import Observation

from .bounded import JOINTS_BYTES, bounded
from .camera import image_reader, message_type
from .every_publisher import subscribe_to_stream
from .graph import publishers_of, type_problem
from .image_size import MAX_BYTES
from .qos import RELIABLE

COMMAND = "control/command"


class ObservationInputs:
    """Receives one robot's streams and assembles observations on demand."""

    def __init__(self, node: Node, embodiment: Embodiment, *, simulated: bool) -> None:
        """Subscribe to everything the embodiment names.

        Args:
            simulated: a still image is not a frozen camera.
        """
        self._node = node
        self._assembler = assembler_of(embodiment, simulated=simulated)
        self._topics = {"command": (COMMAND, JointState)}
        self._refused: dict[str, tuple[int, str]] = {}
        for camera in embodiment.cameras:
            kind = message_type(camera)
            self._topics[camera.name] = (camera.topic, kind)
            self._subscribe(camera.name, MAX_BYTES, self._on_image(camera), depth=1)
        for stream in joint_streams(embodiment):
            self._topics[stream.topic] = (stream.topic, JointState)
            self._subscribe(stream.topic, JOINTS_BYTES, self._on_joints(stream))
        receive = self._bounded("command", JOINTS_BYTES, self._on_command)
        node.create_subscription(JointState, COMMAND, receive, RELIABLE, raw=True)

    def now(self) -> Instant:
        """Now, on both clocks."""
        ros_s = self._node.get_clock().now().nanoseconds * 1e-9
        return Instant(ros_s=ros_s, steady_s=time.monotonic())

    def assemble(self, instruction: str) -> Observation | Refusal:
        """The observation now, or every reason why there is none."""
        return self._assembler.assemble(instruction, self.now())

    def ages_s(self) -> dict[str, float]:
        """Age of every stream by name, s; inf where nothing was received."""
        return self._assembler.ages_s(self.now())

    def explain(self, refusal: Refusal) -> str:
        """Why there is no observation, with what became of the messages that did arrive."""
        return "; ".join(
            f"{fault}{self._about(fault.stream)}"
            if fault.fault in (Fault.MISSING, Fault.OLD)
            else str(fault)
            for fault in refusal.reasons
        )

    def _about(self, stream: str) -> str:
        """Why a stream seems to be silent, in brackets; empty where nobody knows."""
        topic, kind = self._topics[stream]
        topic = self._node.resolve_topic_name(topic)
        publishers = publishers_of(self._node, topic)
        if problem := type_problem(topic, publishers, kind):
            return f" ({problem})"
        if stream in self._refused:
            count, reason = self._refused[stream]
            return f" ({count} messages in a row were refused, the last: {reason})"
        return "" if publishers else f" (nobody publishes {topic})"

    # --- streams

    def _subscribe(
        self, stream: str, largest: int, callback: Callable[[Any], None], depth: int = 10
    ) -> None:
        topic, kind = self._topics[stream]
        receive = self._bounded(stream, largest, callback)
        subscribe_to_stream(self._node, kind, topic, receive, depth=depth, raw=True)

    def _bounded(
        self, stream: str, largest: int, callback: Callable[[Any], None]
    ) -> Callable[[bytes], None]:
        topic, kind = self._topics[stream]
        return bounded(
            kind, largest, callback, lambda why: self._refuse(stream, f"{topic}: {why}")
        )

    def _on_image(self, camera: Camera) -> Callable[[Any], None]:
        read = image_reader(camera)

        def receive(message: Any) -> None:
            try:
                image = read(message)
            except QwenVlaError as error:
                self._refuse(camera.name, str(error))
                return
            stamp_s = seconds(message.header.stamp)
            self._judge(
                camera.name,
                self._assembler.add_image(camera.name, image, stamp_s=stamp_s, now=self.now()),
            )

        return receive

    def _on_joints(self, stream: JointStream) -> Callable[[JointState], None]:
        topic, wanted = stream.topic, set(stream.driver_names)

        def receive(message: JointState) -> None:
            if wanted.isdisjoint(message.name):  # another publisher's: the wheels', a gripper's
                self._refused.setdefault(topic, (1, f"{topic}: {NOT_OURS}"))
                return
            stamp_s = seconds(message.header.stamp)
            self._judge(
                topic,
                self._assembler.add_joints(
                    topic, message.name, message.position, stamp_s=stamp_s, now=self.now()
                ),
            )

        return receive

    def _on_command(self, message: JointState) -> None:
        stamp_s = seconds(message.header.stamp)
        self._judge(
            "command",
            self._assembler.add_command(
                message.name, message.position, stamp_s=stamp_s, now=self.now()
            ),
        )

    def _judge(self, stream: str, report: SampleReport) -> None:
        if report.verdict not in (SampleVerdict.ACCEPTED, SampleVerdict.UNSTAMPED):
            self._refuse(stream, report.reason)
            return
        self._refused.pop(stream, None)
        if report.reason:
            self._warn(report.reason)

    def _refuse(self, stream: str, reason: str) -> None:
        count, _ = self._refused.get(stream, (0, ""))
        self._refused[stream] = (count + 1, reason)
        self._warn(reason)

    def _warn(self, text: str) -> None:
        self._node.get_logger().warning(text, throttle_duration_sec=1.0)
