"""Topics whose messages are taken when somebody wants to see them.

An ALOHA says something five hundred times a second. Waking Python for each message would cost a
quarter of a core; so nothing wakes the node (``fetched.py``): it asks ten times a second, and the
middleware drops what was replaced meanwhile.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.subscription import Subscription

from qwen_vla_core.errors import QwenVlaError

from .bounded import bounded
from .every_publisher import subscribe_to_stream
from .fetched import FetchedGroup, fetch
from .newest import stamp_in


class Streams:
    """The streams of one robot.

    Attributes:
        limits_s: topic -> how old its newest message may be, s.
    """

    def __init__(self, node: Node, refuse: Callable[[str], None]) -> None:
        """Nothing is subscribed yet.

        Args:
            refuse: gets, in words, why a message is not used.
        """
        self._node, self._refuse = node, refuse
        self._group = FetchedGroup()
        self._subscriptions: list[tuple[Subscription, Callable[[bytes], None]]] = []
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
        depth: int = 1,
        raw: bool = False,
    ) -> None:
        """Subscribe.

        Args:
            use: gets the messages in ``take``, oldest first, and may raise QwenVlaError.
            depth: how many wait; more than one where others publish the topic as well.
            raw: hand on the bytes: reading an image of VGA takes a millisecond.
        """
        self.limits_s[topic] = limit_s

        def used(message: Any, data: bytes) -> None:
            try:
                use(message)
            except QwenVlaError as error:
                words = str(error)
                self._refuse(words if topic in words else f"{topic}: {words}")
                return
            self._stamps_s[topic] = stamp_in(data)

        def received(data: bytes) -> None:
            self._received_s[topic] = time.monotonic()
            bounded(
                message_type,
                largest_bytes,
                lambda message: used(message, data),
                lambda why: self._refuse(f"{topic}: {why}"),
                read=not raw,
            )(data)

        subscription = subscribe_to_stream(
            self._node, message_type, topic, _unused, depth=depth, raw=True, group=self._group
        )
        self._subscriptions.append((subscription, received))

    def take(self) -> None:
        """Hand over what came since the last call."""
        for subscription, received in self._subscriptions:
            for data, _ in fetch(subscription):
                received(data)

    def stamp_s(self, topic: str) -> float | None:
        """The stamp of the newest message, ROS time; None before the first."""
        return self._stamps_s.get(topic)

    def age_s(self, topic: str, ros_s: float) -> float:
        """Age by receipt and by stamp, the larger, s; inf before the first message."""
        age_s = time.monotonic() - self._received_s.get(topic, -np.inf)
        stamp_s = self._stamps_s.get(topic, 0.0)
        return max(age_s, ros_s - stamp_s) if stamp_s > 0.0 else age_s


def _unused(message: bytes) -> None:
    """Callback of a subscription that is never executed."""
