"""The last stage of training: a policy learns from its own successes, in closed loop.

A policy tries each of many simulated scenes several times, with another noise each time. What it
did where it sometimes succeeded and sometimes failed is learned, and what it did where it always
succeeds or always fails is not: the first teaches nothing, the second has nothing right in it.
That is regression on what had an advantage over the mean of its own scene. A round counts only if
no task lost by it, in scenes of its own.
"""

from .plan import Reinforcement, describe_reinforcement, load_reinforcement
from .rounds import reinforce

__all__ = ["Reinforcement", "describe_reinforcement", "load_reinforcement", "reinforce"]
