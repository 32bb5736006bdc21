"""Time as an argument: the only place in core that reads a wall clock."""

import time
from typing import Protocol


class Clock(Protocol):
    """A monotonic clock in seconds. Timing rules take one, so that tests need not wait."""

    def now_s(self) -> float:
        """Seconds since an arbitrary fixed instant; never decreases."""


class SteadyClock:
    """The machine's monotonic clock: unaffected by NTP, /clock or a looping bag."""

    def now_s(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told to; for tests and for simulation faster than real time."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s

    def now_s(self) -> float:
        return self._now_s

    def advance(self, seconds: float) -> None:
        """Move forward by ``seconds`` >= 0.

        Raises:
            ValueError: ``seconds`` is negative; a steady clock never goes back.
        """
        if seconds < 0.0:
            raise ValueError(f"a steady clock cannot go back by {-seconds} s")
        self._now_s += seconds
