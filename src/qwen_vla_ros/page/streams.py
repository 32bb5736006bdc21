"""Topics of which only the newest message counts, taken when somebody wants to see it.

An ALOHA says something five hundred times a second. Waking Python for each message would cost a
quarter of a core; so these topics belong to a node of their own that is asked ten times a second,
and the middleware drops what was replaced meanwhile.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.from_messages import seconds

from ..bounded import bounded
from ..every_publisher import subscribe_to_stream


class Streams:
    """The streams of one robot.

    Attributes:
        limits_s: topic -> how old its newest message may be, s.
    """

    def __init__(self, node: Node, refuse: Callable[[str], None]) -> None:
        """Nothing is subscribed yet.

        Args:
            node: whose names and remappings count. refuse: gets why a message is not shown.
        """
        self._owner, self._refuse = node, refuse
        self._node = rclpy.create_node(
            f"{node.get_name()}_streams",
            namespace=node.get_namespace(),
            context=node.context,
            use_global_arguments=False,  # __node:= would give both nodes one name
            start_parameter_services=False,
            enable_rosout=False,
        )
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(self._node)
        self._taken = 0
        self.limits_s: dict[str, float] = {}
        self._received_s: dict[str, float] = {}
        self._stamps_s: dict[str, float] = {}

    def receive(
        self,
        message_type: type,
        topic: str,
        largest_bytes: int,
        limit_s: float,
        use: Callable[[Any], None],
    ) -> None:
        """Subscribe; ``use`` gets the newest message in ``take`` and may raise QwenVlaError."""
        self.limits_s[topic] = limit_s

        def used(message: Any) -> None:
            try:
                use(message)
            except QwenVlaError as error:
                words = str(error)
                self._refuse(words if topic in words else f"{topic}: {words}")
                return
            self._stamps_s[topic] = seconds(message.header.stamp)

        read = bounded(
            message_type, largest_bytes, used, lambda why: self._refuse(f"{topic}: {why}")
        )

        def received(data: bytes) -> None:
            self._taken += 1
            self._received_s[topic] = time.monotonic()
            read(data)

        name = self._owner.resolve_topic_name(topic)
        subscribe_to_stream(self._node, message_type, name, received, depth=1, raw=True)

    def take(self) -> None:
        """Hand over what came since the last call, of each topic the newest."""
        before = -1
        while before != self._taken:
            before = self._taken
            self._executor.spin_once(timeout_sec=0.0)

    def age_s(self, topic: str, ros_s: float) -> float:
        """Age by receipt and by stamp, the larger, s; inf before the first message."""
        age_s = time.monotonic() - self._received_s.get(topic, -np.inf)
        stamp_s = self._stamps_s.get(topic, 0.0)
        return max(age_s, ros_s - stamp_s) if stamp_s > 0.0 else age_s

    def close(self) -> None:
        """Unsubscribe everything."""
        self._executor.shutdown()
        self._node.destroy_node()
