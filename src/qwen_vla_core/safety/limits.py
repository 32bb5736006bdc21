"""How far and how fast each joint may go."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True, eq=False)
class JointLimits:
    """The limits of some joints, in one fixed order.

    Attributes:
        names: joint names, D of them, each once.
        lower_D: lowest position, float64 [D], rad or m; -inf for a joint without one (the base).
        upper_D: highest position, likewise; +inf for a joint without one.
        velocity_D: highest speed, rad/s or m/s, > 0.
        acceleration_D: highest acceleration, rad/s^2 or m/s^2, > 0.
        jump_D: a target farther than this from the last target is an error and not a motion,
            rad or m, > 0; None checks no jumps.

    Raises:
        ValueError: a limit is missing, NaN, infinite where it may not be, not positive, or lower
            is not below upper; the message names the joint.
    """

    names: tuple[str, ...]
    lower_D: np.ndarray
    upper_D: np.ndarray
    velocity_D: np.ndarray
    acceleration_D: np.ndarray
    jump_D: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not self.names or len(set(self.names)) != len(self.names):
            raise ValueError(f"joint names must be there, each once: {self.names}")
        for key in ("lower_D", "upper_D", "velocity_D", "acceleration_D", "jump_D"):
            if getattr(self, key) is None and key == "jump_D":
                continue
            values_D = np.array(getattr(self, key), dtype=np.float64)
            if values_D.shape != (len(self.names),):
                raise ValueError(f"{key} has shape {values_D.shape}, not [{len(self.names)}]")
            values_D.setflags(write=False)
            object.__setattr__(self, key, values_D)
        # Written so that NaN fails every one of them.
        self._demand(self.lower_D < self.upper_D, "lower limit must be below the upper one")
        self._demand(self.lower_D < np.inf, "lower limit must not be +inf")
        self._demand(self.upper_D > -np.inf, "upper limit must not be -inf")
        for key in ("velocity_D", "acceleration_D", "jump_D"):
            values_D = getattr(self, key)
            if values_D is not None:
                good_D = (values_D > 0.0) & np.isfinite(values_D)
                self._demand(good_D, f"{key} must be positive and finite")

    def _demand(self, good_D: np.ndarray, what: str) -> None:
        bad = [name for name, good in zip(self.names, good_D, strict=True) if not good]
        if bad:
            raise ValueError(f"{', '.join(bad)}: {what}")
