"""Named deadlines: what has to be received, and how long ago it was."""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Expired:
    """Something that has been silent for too long; an age of inf: nothing was ever received."""

    name: str
    age_s: float
    timeout_s: float

    def __str__(self) -> str:
        if math.isinf(self.age_s):
            return f"{self.name}: nothing received"
        return f"{self.name}: silent for {self.age_s:.3f} s, limit {self.timeout_s:.3f} s"


class Watchdog:
    """Remembers when each name was last fed. Time is the caller's steady clock."""

    def __init__(self, timeouts_s: Mapping[str, float]) -> None:
        """Watch these names.

        Args:
            timeouts_s: name -> longest silence allowed, s.
        Raises:
            ValueError: a timeout is None, not positive or not finite. A watchdog that never
                expires is not one (twist_mux's default of 0).
        """
        for name, timeout_s in timeouts_s.items():
            if timeout_s is None or not 0.0 < timeout_s < math.inf:
                raise ValueError(f"{name}: timeout {timeout_s} must be positive and finite")
        self._timeouts_s = dict(timeouts_s)
        self._fed_s = dict.fromkeys(timeouts_s, -math.inf)

    def feed(self, name: str, now_s: float) -> None:
        """``name`` was received at ``now_s``.

        Raises:
            KeyError: nobody watches ``name``.
        """
        self._fed_s[name] = max(now_s, self._fed_s[name])

    def expired(self, now_s: float) -> tuple[Expired, ...]:
        """What has been silent for longer than it may, in the order it was declared."""
        ages_s = {name: now_s - fed_s for name, fed_s in self._fed_s.items()}
        return tuple(
            Expired(name=name, age_s=ages_s[name], timeout_s=timeout_s)
            for name, timeout_s in self._timeouts_s.items()
            if not ages_s[name] <= timeout_s
        )
