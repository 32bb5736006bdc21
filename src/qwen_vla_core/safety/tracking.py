"""Is the arm where it was sent? Not after a collision, with a lost servo, or when held."""

from dataclasses import dataclass
from enum import Enum

import numpy as np

FAULT_AFTER_PERIODS = 2
"""Control periods in a row beyond the limit that make a fault; one alone may be a late sample."""


HELD_SHARE = 0.3
"""While the command stands still, a fault begins at this share of the tracking limit: 0.15 of 0.5
rad, beyond any sag under a load. A held arm that moves has lost its torque or is being moved."""

SETTLE_S = 0.5
"""Time after which a held arm is at rest where it was sent, s: several times a servo's lag."""


class Tracking(Enum):
    """How well the arm follows."""

    FOLLOWING = "following"
    STRAYING = "straying"  # beyond the limit, not yet for long enough
    FAULT = "fault"


@dataclass(frozen=True, kw_only=True)
class TrackingReport:
    """The verdict, and in words which joints are how far off."""

    verdict: Tracking
    detail: str = ""


class TrackingMonitor:
    """Compares measured with commanded positions, once per control period."""

    def __init__(self, names: tuple[str, ...], limit_D: np.ndarray) -> None:
        """Watch these joints.

        Args:
            names: joint names, D of them.
            limit_D: largest |measured - commanded|, float64 [D], rad or m, > 0.
        Raises:
            ValueError: a limit is missing, NaN or not positive.
        """
        self._names = names
        self._limit_D = np.array(limit_D, dtype=np.float64)
        if self._limit_D.shape != (len(names),) or not (self._limit_D > 0.0).all():
            raise ValueError(f"tracking limits {limit_D} must be positive, one each of {names}")
        self._periods_off = 0

    def update(
        self, measured_D: np.ndarray, commanded_D: np.ndarray, held_s: float = 0.0
    ) -> TrackingReport:
        """Judge one control period; NaN counts as off.

        Args:
            measured_D: float64 [D], rad or m. commanded_D: the same.
            held_s: for how long the command has stood still, s.
        """
        limit_D = self._limit_D * (HELD_SHARE if held_s >= SETTLE_S else 1.0)
        error_D = np.abs(np.asarray(measured_D) - commanded_D)
        off_D = ~(error_D <= limit_D)
        self._periods_off = self._periods_off + 1 if off_D.any() else 0
        if not self._periods_off:
            return TrackingReport(verdict=Tracking.FOLLOWING)
        detail = ", ".join(
            f"{self._names[d]} is {error_D[d]:.3f} off, limit {limit_D[d]:.3f}"
            for d in np.flatnonzero(off_D)
        )
        fault = self._periods_off >= FAULT_AFTER_PERIODS
        return TrackingReport(
            verdict=Tracking.FAULT if fault else Tracking.STRAYING, detail=detail
        )

    def reset(self) -> None:
        """Forget what was seen: commanding starts again at the measured position."""
        self._periods_off = 0
