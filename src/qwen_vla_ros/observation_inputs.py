"""What observations are made of, received: images, joint states, and what was commanded."""

import time
from collections import Counter
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image, JointState

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.streams import joint_streams
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.images import MAX_BYTES
from qwen_vla_core.observation import (
    COMMAND,
    Fault,
    Instant,
    MessageObserver,
    Refusal,
    SampleVerdict,
)
from qwen_vla_core.types import Observation

from .bounded import JOINTS_BYTES, bounded
from .every_publisher import subscribe_to_stream
from .graph import publishers_of, type_problem
from .images import rgb_from_image
from .qos import RELIABLE
from .stream_meter import StreamMeter


class ObservationInputs:
    """Receives one robot's streams and assembles observations on demand."""

    def __init__(self, node: Node, embodiment: Embodiment, *, simulated: bool) -> None:
        """Subscribe to everything the embodiment names.

        Args:
            simulated: a still image is not a frozen camera.
        """
        self._node = node
        self._observer = MessageObserver(embodiment, simulated=simulated, rgb=rgb_from_image)
        self._topics: dict[str, tuple[str, type]] = {}
        self._refused: dict[str, tuple[int, str]] = {}
        self._refusals: Counter[str] = Counter()
        self._meter = StreamMeter(time.monotonic())
        for camera in embodiment.cameras:
            kind = CompressedImage if camera.is_compressed else Image
            self._subscribe(camera.name, camera.topic, kind, MAX_BYTES, depth=1)
        for stream in joint_streams(embodiment):
            self._subscribe(stream.topic, stream.topic, JointState, JOINTS_BYTES, depth=10)
        self._subscribe(COMMAND, "control/command", JointState, JOINTS_BYTES, depth=10)

    def now(self) -> Instant:
        """Now, on both clocks."""
        ros_s = self._node.get_clock().now().nanoseconds * 1e-9
        return Instant(ros_s=ros_s, steady_s=time.monotonic())

    def assemble(self, instruction: str) -> Observation | Refusal:
        """The observation now, or every reason why there is none."""
        return self._observer.assemble(instruction, self.now())

    def values(self) -> dict[str, float]:
        """For /diagnostics: of every stream the rate, the age, and how many were refused so far.

        The rate is that of all messages, the age that of the last one that was used: by receipt
        and by stamp, the larger.
        """
        ages_s = self._observer.ages_s(self.now())
        return {
            **self._meter.values(time.monotonic()),
            **{f"age_{name}_s": age_s for name, age_s in ages_s.items()},
            **{f"refused_{name}": self._refusals[name] for name in self._topics},
        }

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

    def _subscribe(self, stream: str, topic: str, kind: type, largest: int, depth: int) -> None:
        self._topics[stream] = (topic, kind)
        self._meter.add(stream)
        read = bounded(
            kind,
            largest,
            lambda message: self._on_message(stream, message),
            lambda why: self._refuse(stream, f"{topic}: {why}"),
        )

        def receive(data: bytes) -> None:
            self._meter.count(stream, time.monotonic())
            read(data)

        if stream == COMMAND:
            self._node.create_subscription(kind, topic, receive, RELIABLE, raw=True)
        else:
            subscribe_to_stream(self._node, kind, topic, receive, depth=depth, raw=True)

    def _on_message(self, stream: str, message: Any) -> None:
        try:
            report = self._observer.take(stream, message, self.now())
        except QwenVlaError as error:
            self._refuse(stream, str(error))
            return
        if report.verdict is SampleVerdict.NOT_OURS:
            self._refused.setdefault(stream, (1, report.reason))
        elif report.verdict not in (SampleVerdict.ACCEPTED, SampleVerdict.UNSTAMPED):
            self._refuse(stream, report.reason)
        else:
            self._refused.pop(stream, None)
            if report.reason:
                self._warn(report.reason)

    def _refuse(self, stream: str, reason: str) -> None:
        self._refusals[stream] += 1
        count, _ = self._refused.get(stream, (0, ""))
        self._refused[stream] = (count + 1, reason)
        self._warn(reason)

    def _warn(self, text: str) -> None:
        self._node.get_logger().warning(text, throttle_duration_sec=1.0)
