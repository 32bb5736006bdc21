"""Topics of which only the newest message counts, taken when it is wanted.

An executor wakes for every message: three cameras and two arms at their own rates are some 300
times a second, for a picture that is drawn ten times. These subscriptions wake nobody; the
middleware keeps the newest message, and ``take`` fetches it.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message


class _Polled(CallbackGroup):
    """Entities of this group are never executed, so that no executor waits for them."""

    def can_execute(self, entity: object) -> bool:
        return False

    def beginning_execution(self, entity: object) -> bool:
        return False

    def ending_execution(self, entity: object) -> None:
        pass


class Newest:
    """One topic."""

    def __init__(
        self, node: Node, message_type: type, topic: str, qos: QoSProfile, largest_bytes: int
    ) -> None:
        """Subscribe.

        Args:
            qos: its depth says how many messages ``take_all`` finds.
            largest_bytes: what is larger is dropped unseen.
        """
        self._type, self._largest = message_type, largest_bytes
        self._group = _Polled()  # the node refers to its groups weakly
        self._subscription = node.create_subscription(
            message_type, topic, _unused, qos, callback_group=self._group, raw=True
        )

    def take(self) -> bytes | None:
        """The newest message that was not taken yet, as bytes; None where there is none."""
        return next(iter(deque(self._messages(), maxlen=1)), None)

    def take_all(self) -> Iterator[Any]:
        """Every message that waits, oldest first; those that cannot be read are left out."""
        for data in self._messages():
            if (message := self.read(data)) is not None:
                yield message

    def take_message(self) -> Any | None:
        """The newest message that was not taken yet; None where there is none, or it is broken."""
        data = self.take()
        return None if data is None else self.read(data)

    def read(self, data: bytes) -> Any | None:
        """What the bytes mean; None where they are broken."""
        try:
            return deserialize_message(data, self._type)
        except Exception:  # whatever a broken message makes the middleware raise
            return None

    def _messages(self) -> Iterator[bytes]:
        subscription = self._subscription
        with subscription.handle:
            while (taken := subscription.handle.take_message(self._type, True)) is not None:
                if len(taken[0]) <= self._largest:
                    yield taken[0]


def _unused(message: bytes) -> None:
    """Callback of a subscription that is never executed."""
