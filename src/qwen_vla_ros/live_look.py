"""A look at a running robot, for ``live_check``: it subscribes and never publishes."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from rclpy.node import Node, NodeNameNonExistentError
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Image, JointState

from qwen_vla_core.embodiment import Camera, Embodiment
from qwen_vla_core.embodiment.streams import joint_streams
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.from_messages import NS_PER_S
from qwen_vla_core.images import MAX_BYTES, image_from_message
from qwen_vla_core.interrupts import interrupts_held_back

from .bounded import JOINTS_BYTES, ODOMETRY_BYTES, bounded
from .every_publisher import subscribe_to_stream
from .graph import not_received, publishers_of, type_name, type_problem
from .images import rgb_from_image
from .left_behind import ports_left_behind
from .live_check import Seen, SeenStream
from .newest import stamp_in
from .qos import RELIABLE
from .status_board import StatusBoard, statuses_of

IMAGE_S = 0.5
"""Between two images that are looked at."""
LATE_S = 1.0
"""How much later than the subscription the first message may come: discovery takes time."""


def look(robot: Embodiment, namespace: str, seconds: float) -> Seen:
    """What the topics of an embodiment carry for a while."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = rclpy.create_node("qwen_vla_check", namespace=namespace)
        eyes = _Eyes(node, robot)
        end_s = time.monotonic() + LATE_S + seconds
        while (left_s := end_s - time.monotonic()) > 0.0:
            with interrupts_held_back():
                rclpy.spin_once(node, timeout_sec=min(left_s, 0.1))
        return eyes.seen()
    finally:
        rclpy.try_shutdown()


class _Eyes:
    """Subscriptions to all that an embodiment names."""

    def __init__(self, node: Node, robot: Embodiment) -> None:
        self._node = node
        self._wanted: dict[str, tuple[str, type]] = {}
        self._received_s: dict[str, list[float]] = {}
        self._behind_s: dict[str, list[float]] = {}
        self._problems: dict[str, str] = {}
        self._images: dict[str, list[np.ndarray]] = {}
        self._positions: dict[str, dict[str, float]] = {}
        self._board = StatusBoard(node.get_namespace())
        for camera in robot.cameras:
            kind = CompressedImage if camera.is_compressed else Image
            self._watch(camera.name, camera.topic, kind, MAX_BYTES, self._image_of(camera))
        for stream in joint_streams(robot):
            self._watch(
                stream.topic,
                stream.topic,
                JointState,
                JOINTS_BYTES,
                self._positions_on(stream.topic),
            )
        if robot.base is not None:
            topic = robot.base.driver.odometry_topic
            self._watch(topic, topic, Odometry, ODOMETRY_BYTES, lambda message: None)
        node.create_subscription(
            DiagnosticArray,
            "/diagnostics",
            lambda array: self._board.receive(statuses_of(array, time.monotonic())),
            RELIABLE,
        )

    def seen(self) -> Seen:
        """What came until now."""
        return Seen(
            ports_left=ports_left_behind(),
            not_received=[
                words for topic in self._commanded() for words in not_received(self._node, topic)
            ],
            streams={name: self._stream(name) for name in self._wanted},
            images=self._images,
            positions=self._positions,
            statuses=self._board.statuses(time.monotonic()),
        )

    def _commanded(self) -> list[str]:
        """What control_node and policy_node publish; we ourselves hear every publisher."""
        topics: set[str] = set()
        for name in ("control_node", "policy_node"):
            with suppress(NodeNameNonExistentError):
                published = self._node.get_publisher_names_and_types_by_node(
                    name, self._node.get_namespace()
                )
                topics.update(topic for topic, _ in published)
        return sorted(topics)

    def _watch(
        self, name: str, topic: str, kind: type, largest: int, use: Callable[[Any], None]
    ) -> None:
        self._wanted[name] = (topic, kind)
        times = self._received_s.setdefault(name, [])
        behind = self._behind_s.setdefault(name, [])

        def problem(text: str) -> None:
            self._problems[name] = text

        read = bounded(kind, largest, use, problem)

        def receive(data: bytes) -> None:
            times.append(time.monotonic())
            behind.append(self._node.get_clock().now().nanoseconds / NS_PER_S - stamp_in(data))
            read(data)

        subscribe_to_stream(self._node, kind, topic, receive, raw=True)

    def _image_of(self, camera: Camera) -> Callable[[Any], None]:
        images, last_s = self._images.setdefault(camera.name, []), [-np.inf]

        def use(message: Any) -> None:
            if time.monotonic() - last_s[0] < IMAGE_S:
                return
            last_s[0] = time.monotonic()
            try:
                images.append(image_from_message(camera, message, rgb_from_image))
            except QwenVlaError as error:
                self._problems[camera.name] = str(error)

        return use

    def _positions_on(self, topic: str) -> Callable[[Any], None]:
        def use(message: JointState) -> None:
            known = self._positions.setdefault(topic, {})
            known.update(zip(message.name, message.position, strict=False))

        return use

    def _stream(self, name: str) -> SeenStream:
        topic, kind = self._wanted[name]
        topic = self._node.resolve_topic_name(topic)
        publishers = publishers_of(self._node, topic)
        named = {self._node.resolve_topic_name(other) for other, _ in self._wanted.values()}
        alike = [
            other
            for other, kinds in self._node.get_topic_names_and_types()
            if type_name(kind) in kinds and other not in named and publishers_of(self._node, other)
        ]
        return SeenStream(
            topic=topic,
            received_s=self._received_s[name],
            behind_s=self._behind_s[name],
            problem=type_problem(topic, publishers, kind) or self._problems.get(name, ""),
            publishers=sorted(publisher.node for publisher in publishers),
            alike=sorted(alike),
        )
