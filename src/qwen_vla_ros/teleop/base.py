"""Interface of a device for teleop_node: the motion that the hands command, and the dead-man.

teleop_node asks for ``hands`` in every period. It takes the reference when the dead-man is
pressed, bounds all motion, and lets go when ``hands`` is None; a device does none of that.
"""

from collections.abc import Callable
from typing import Any, Protocol

from rclpy.node import Node

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.teleop import Hands

from ..bounded import bounded
from ..every_publisher import subscribe_to_stream


class Device(Protocol):
    """One device. No call waits for anything."""

    def hands(self, now_s: float) -> Hands | None:
        """What they want at ``now_s``, steady time, s; None while the device is silent."""

    def engage(self) -> str:
        """A person asks to engage by service; "" where the device allows it, else why not."""

    def release(self) -> None:
        """The robot was let go, whatever the reason: an engagement by service or gesture ends."""


class DeadManDevice:
    """A device that is engaged by its own dead-man."""

    def engage(self) -> str:
        return "this device is engaged by its dead-man: hold it"

    def release(self) -> None:
        """Nothing: the dead-man is in the person's hand."""


def receive(
    node: Node,
    message_type: type,
    topic: str,
    largest_bytes: int,
    callback: Callable[[Any], None],
    refuse: Callable[[str], None],
) -> None:
    """Subscribe to every publisher; what is too large, or refused by ``callback``, is named."""

    def checked(message: Any) -> None:
        try:
            callback(message)
        except QwenVlaError as error:
            refuse(f"{topic}: {error}")

    subscribe_to_stream(
        node,
        message_type,
        topic,
        bounded(message_type, largest_bytes, checked, lambda why: refuse(f"{topic}: {why}")),
        raw=True,
    )
