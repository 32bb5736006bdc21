"""Interface of a device for teleop_node: the motion that the hands command, and the dead-man.

teleop_node asks for ``hands`` in every period. It takes the reference when the dead-man is
pressed, bounds all motion, and lets go when ``hands`` is None; a device does none of that.
"""

import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from rclpy.node import Node

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.from_messages import NS_PER_S
from qwen_vla_core.teleop import Hands

from ..bounded import bounded
from ..every_publisher import subscribe_to_stream
from ..newest import stamp_in
from ..stream_meter import StreamMeter


class Device(Protocol):
    """One device. No call waits for anything.

    Attributes:
        has_motors: whether it can follow the robot.
    """

    has_motors: bool

    def hands(self, now_s: float) -> Hands | None:
        """What they want at ``now_s``, steady time, s; None while the device is silent."""

    def engage(self) -> str:
        """A person asks to engage by service; "" where the device allows it, else why not."""

    def release(self) -> None:
        """The robot was let go, whatever the reason: an engagement by service or gesture ends."""

    def follow(self, command_D: np.ndarray | None, now_s: float) -> str:
        """Move the device's own motors to where the robot is commanded, [D]; None: leave them.

        Called in every period. Returns what is in the way, in words, or "".
        """


class DeadManDevice:
    """A device that is engaged by its own dead-man, and has no motors."""

    has_motors = False

    def engage(self) -> str:
        return "this device is engaged by its dead-man: hold it"

    def release(self) -> None:
        """Nothing: the dead-man is in the person's hand."""

    def follow(self, command_D: np.ndarray | None, now_s: float) -> str:
        return ""


def receive(
    node: Node,
    message_type: type,
    topic: str,
    largest_bytes: int,
    callback: Callable[[Any], None],
    refuse: Callable[[str], None],
    meter: StreamMeter,
) -> None:
    """Subscribe to every publisher; what is too large, or refused by ``callback``, is named.

    The meter gets the stamps, where messages have some.
    """

    def checked(message: Any) -> None:
        try:
            callback(message)
        except QwenVlaError as error:
            refuse(f"{topic}: {error}")

    read = bounded(message_type, largest_bytes, checked, lambda why: refuse(f"{topic}: {why}"))

    stamped = "header" in message_type.get_fields_and_field_types()

    def received(data: bytes) -> None:
        meter.count(topic, time.monotonic())
        if stamped and len(data) <= largest_bytes:
            meter.stamp(topic, stamp_in(data), node.get_clock().now().nanoseconds / NS_PER_S)
        read(data)

    meter.add(topic)
    subscribe_to_stream(node, message_type, topic, received, raw=True)
