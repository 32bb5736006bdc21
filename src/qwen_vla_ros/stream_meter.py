"""How often the messages of each stream are received, and when the last one was."""

import math
from collections.abc import Iterable

from qwen_vla_core.lag import Lag


class StreamMeter:
    """Counts; the time is the caller's steady clock, s."""

    def __init__(self, now_s: float, streams: Iterable[str] = ()) -> None:
        """``streams``: those to report even if nothing of them is ever received."""
        self._since_s = now_s
        self._counts = dict.fromkeys(streams, 0)
        self._received_s = dict.fromkeys(streams, -math.inf)
        self._lags: dict[str, Lag] = {}

    def add(self, stream: str) -> None:
        """Report this stream from now on, received or not."""
        self._counts.setdefault(stream, 0)
        self._received_s.setdefault(stream, -math.inf)

    def count(self, stream: str, now_s: float) -> None:
        """A message was received, of whatever content."""
        self._counts[stream] = self._counts.get(stream, 0) + 1
        self._received_s[stream] = now_s

    def stamp(self, stream: str, stamp_s: float, ros_s: float) -> bool:
        """A message of it had this stamp; whether it came much later than those before."""
        lag = self._lags.setdefault(stream, Lag())
        lag.add(stamp_s, ros_s)
        return lag.late

    @property
    def late(self) -> list[str]:
        """In words, which streams come much later than before, of those whose stamps are known."""
        return [
            f"{stream} comes {lag.later_s:.1f} s later than before: is the network slow?"
            for stream, lag in self._lags.items()
            if lag.late
        ]

    def values(self, now_s: float) -> dict[str, float]:
        """For /diagnostics: rates since the last call, Hz, and ages by receipt, s.

        The age is inf where nothing was ever received.
        """
        passed_s, self._since_s = max(now_s - self._since_s, 1e-9), now_s
        values = {}
        for stream, count in self._counts.items():
            values[f"rate_{stream}_hz"] = count / passed_s
            values[f"age_{stream}_s"] = now_s - self._received_s[stream]
            self._counts[stream] = 0
        return values
