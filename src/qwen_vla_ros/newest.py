"""Topics of which only the newest message counts, taken when it is wanted.

Three cameras and two arms at their own rates are some 300 messages a second, for an image that is
drawn ten times. The middleware keeps the newest, and ``take`` fetches it.
"""

import struct
from collections import deque
from collections.abc import Iterator
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message

from qwen_vla_core.from_messages import NS_PER_S

from .fetched import FetchedGroup, fetch


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
        self._group = FetchedGroup()
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
        for data, _ in fetch(self._subscription):
            if len(data) <= self._largest:
                yield data


def stamp_in(data: bytes) -> float:
    """The stamp, ROS time in s, of a message that begins with a header; the rest is not read.

    In CDR four bytes say the byte order (the second is 1 for little-endian), then come seconds
    and nanoseconds.
    """
    sec, nanosec = struct.unpack_from("<iI" if data[1] else ">iI", data, 4)
    return sec + nanosec / NS_PER_S


def _unused(message: bytes) -> None:
    """Callback of a subscription that is never executed."""
