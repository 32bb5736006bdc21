"""Playing chunks: by time, spliced, and with an honest estimate of their delay."""

from .control_loop import ControlLoop, Cycle, joint_limits
from .delay import DelayEstimator
from .timeline import Offer, Sample, Timeline, Verdict

__all__ = [
    "ControlLoop",
    "Cycle",
    "DelayEstimator",
    "Offer",
    "Sample",
    "Timeline",
    "Verdict",
    "joint_limits",
]
