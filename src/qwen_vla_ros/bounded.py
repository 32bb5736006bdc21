"""Messages are measured before they are looked at.

Converting a message to Python takes time that grows with it, and the control loop waits meanwhile:
joint states of 30,000 names stopped it, and the e-stop with it, for 25 s. So what control_node
receives arrives as bytes, and is converted only if it is no larger than the robot can mean.
"""

from collections.abc import Callable
from typing import Any

from rclpy.serialization import deserialize_message

from qwen_vla_core.embodiment import Embodiment

JOINTS_BYTES = 32 * 1024
"""Joint states and targets: some 300 joints with position, velocity and effort."""

ODOMETRY_BYTES = 4 * 1024
"""Odometry is of fixed size, 0.7 kB, but for the names of two frames."""

FLAG_BYTES = 64
"""A Bool or a number: eight bytes with the header of its encoding."""

INPUT_BYTES = 4 * 1024
"""What a device of a person says: axes and buttons, a velocity, a pose, with a frame's name."""


def chunk_bytes(embodiment: Embodiment) -> int:
    """The largest chunk of a robot: its points with four values a joint, twice over for names."""
    joints, points = len(embodiment.joints), embodiment.horizon + 1
    return 4096 + points * (128 + 4 * 8 * joints)


def bounded(
    message_type: type,
    largest_bytes: int,
    callback: Callable[[Any], None],
    refuse: Callable[[str], None],
    read: bool = True,
) -> Callable[[bytes], None]:
    """The callback of a subscription that was made with ``raw=True``.

    Args:
        message_type: what the bytes mean.
        largest_bytes: what is larger is refused unseen.
        callback: gets the message. refuse: gets the reason why there is none, in words.
        read: otherwise the callback gets the bytes.
    """

    def receive(data: bytes) -> None:
        if len(data) > largest_bytes:
            refuse(f"{len(data)} bytes; this robot's are at most {largest_bytes}")
            return
        if not read:
            callback(data)
            return
        try:
            message = deserialize_message(data, message_type)
        except Exception as error:  # whatever a broken message makes the middleware raise
            refuse(f"cannot be read ({error})")
            return
        callback(message)

    return receive
