"""From many streams to one observation, with every doubt about its age and order settled."""

from .assembler import CameraSpec, JointsSpec, ObservationAssembler, Refusal
from .depth import render_depth
from .frames import FrameHistory
from .history import CommandHistory
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
from .views import resize_view

__all__ = [
    "FUTURE_TOLERANCE_S",
    "CameraSpec",
    "CommandHistory",
    "Fault",
    "FrameHistory",
    "Instant",
    "JointsSpec",
    "ObservationAssembler",
    "Refusal",
    "SampleReport",
    "SampleVerdict",
    "Stream",
    "StreamFault",
    "match_joints",
    "render_depth",
    "resize_view",
]
