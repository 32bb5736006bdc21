"""How many action steps pass between an observation and the moment its chunk can be used."""

import math
from collections import deque

WINDOW = 50
"""Latencies remembered: about 15 s of inference at a few chunks per second, so that one slow
spell is forgotten again."""

WARM_UP = 3
"""First latencies left out: compilation and memory allocation (LeRobot PR #4223 took 0.7 s of
warm-up for the truth and skipped 21 of 30 actions)."""

PERCENTILE = 0.95
"""Share of inferences that take no longer than the latency whose whole steps are the estimate."""


def delay_steps(latency_s: float, step_s: float) -> int:
    """The whole action steps that are over when a latency is (real-time chunking, 2506.07339: d).

    Not the next higher: a base whose steps last half a second would go on for all of one with what
    it did before, for an inference of a tenth. Nor the nearest: a gripper that began to close in
    half of a step would be taken for one that has closed. What has begun of a step the cross-fade
    covers.
    """
    # The small term keeps 4.9999999 steps, which is rounding, from being counted as 4.
    return math.floor(min(latency_s / step_s, 1e9) + 1e-6)


class DelayEstimator:
    """Windowed percentile of the measured latency, in whole action steps, capped."""

    def __init__(self, *, step_s: float, cap_steps: int, expected_s: float = math.inf) -> None:
        """Start with nothing measured.

        Args:
            step_s: time between action steps, s, > 0.
            cap_steps: highest estimate, steps, >= 1: the longest prefix the policy takes.
            expected_s: what to go by until latencies have been measured, s.
        Raises:
            ValueError: ``step_s`` or ``cap_steps`` is not positive.
        """
        if not (step_s > 0.0 and cap_steps >= 1):
            raise ValueError(f"step_s={step_s} and cap_steps={cap_steps} must be positive")
        self._step_s = step_s
        self._cap_steps = cap_steps
        self._expected_s = expected_s
        self._warm_up_left = WARM_UP
        self._latencies_s: deque[float] = deque(maxlen=WINDOW)

    def add(self, latency_s: float) -> None:
        """One chunk came ``latency_s`` after its observation.

        Raises:
            ValueError: the latency is negative or NaN.
        """
        if not latency_s >= 0.0:
            raise ValueError(f"latency {latency_s} s cannot be")
        if self._warm_up_left:
            self._warm_up_left -= 1
        else:
            self._latencies_s.append(latency_s)

    def steps(self) -> int:
        """The delay to plan for, steps, 0 to the cap; the cap while nothing is known."""
        return min(self._cap_steps, delay_steps(self.latency_s, self._step_s))

    @property
    def latency_s(self) -> float:
        """The latency that ``PERCENTILE`` of the last ones did not exceed, or the expected one."""
        ordered_s = sorted(self._latencies_s) or [self._expected_s]
        return ordered_s[math.ceil(PERCENTILE * len(ordered_s)) - 1]
