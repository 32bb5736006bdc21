"""Playing chunks: by time, spliced, and with an honest estimate of their delay."""

from .control_loop import ControlLoop, Cycle
from .delay import DelayEstimator, delay_steps
from .prefix import Prefix, prefix_of
from .timeline import Offer, Sample, Timeline, Verdict

__all__ = [
    "ControlLoop",
    "Cycle",
    "DelayEstimator",
    "Offer",
    "Prefix",
    "Sample",
    "Timeline",
    "Verdict",
    "delay_steps",
    "prefix_of",
]
