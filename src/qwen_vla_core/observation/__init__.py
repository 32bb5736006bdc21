"""From many streams to one observation, with every doubt about its age and order settled."""

from .assembler import CameraSpec, JointsSpec, ObservationAssembler, Refusal
from .command_history import CommandHistory
from .from_messages import COMMAND, MessageObserver
from .image_history import ImageHistory
from .joints import match_joints
from .stream import (
    FUTURE_TOLERANCE_S,
    Fault,
    Instant,
    SampleReport,
    SampleVerdict,
    Stream,
    StreamFault,
)
from .view import resize_view

__all__ = [
    "COMMAND",
    "FUTURE_TOLERANCE_S",
    "CameraSpec",
    "CommandHistory",
    "Fault",
    "ImageHistory",
    "Instant",
    "JointsSpec",
    "MessageObserver",
    "ObservationAssembler",
    "Refusal",
    "SampleReport",
    "SampleVerdict",
    "Stream",
    "StreamFault",
    "match_joints",
    "resize_view",
]
