"""Message definitions and CDR, without ROS."""

from functools import cache
from typing import Any

from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

from qwen_vla_core.errors import RecordingError

ENCODING = "cdr"
SCHEMA_ENCODING = "ros2msg"


@cache
def typestore() -> Typestore:
    """All messages of a ROS distribution; what is recorded is the same in Humble and Jazzy."""
    return get_typestore(Stores.ROS2_JAZZY)


def definition(message_type: str) -> bytes:
    """The text that describes a type and all that it holds, as an MCAP schema has it."""
    text, _ = typestore().generate_msgdef(message_type, ros_version=2)
    return text.encode()


def decode(data: bytes, message_type: str) -> Any:
    """A message whose fields are called as in ROS; arrays of numbers are NumPy's.

    Raises:
        RecordingError: the bytes are no such message.
    """
    try:  # a view: of bytes the decoder makes a copy
        return typestore().deserialize_cdr(memoryview(data), message_type)
    except Exception as error:  # whatever a broken message makes the decoder raise
        raise RecordingError(f"{len(data)} bytes are no {message_type} ({error})") from error
