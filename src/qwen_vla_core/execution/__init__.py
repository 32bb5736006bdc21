"""Playing chunks: by time, spliced, and with an honest estimate of their delay."""

from .control_loop import ControlLoop, Cycle
from .delay import DelayEstimator, delay_steps
from .policy_loop import InferenceRequest, PolicyLoop
from .prefix import Prefix, prefix_of
from .timeline import ChunkVerdict, Offer, Sample, Timeline

__all__ = [
    "ControlLoop",
    "Cycle",
    "DelayEstimator",
    "Offer",
    "PolicyLoop",
    "Prefix",
    "InferenceRequest",
    "Sample",
    "Timeline",
    "ChunkVerdict",
    "delay_steps",
    "prefix_of",
]
