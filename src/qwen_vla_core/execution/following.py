"""Is the arm where it was sent, and where does its command go when something has stopped it?"""

import numpy as np

from ..embodiment import Embodiment
from ..safety import Tracking, TrackingMonitor
from ..safety.tracking import SETTLE_S
from .relief import Relief


class Following:
    """The state of that between control periods of one robot.

    Attributes:
        tracked_D: bool [D], joints that are where they are sent; not a gripper, nor a base.
        relief: the motion after something stopped the arm; None while there is none.
    """

    def __init__(self, embodiment: Embodiment, check: bool) -> None:
        """Start with nothing commanded; without ``check`` the arm is never found elsewhere."""
        limit_D = np.array(
            [group.tracking_limit or np.inf for group in embodiment.groups for _ in group.joints]
        )  # inf where contact makes measured and commanded differ
        self.tracked_D = np.isfinite(limit_D)
        self._monitor = TrackingMonitor(embodiment.joint_names, limit_D) if check else None
        self.clear()

    def clear(self) -> None:
        """Nothing is commanded any more."""
        self._held_since_s: float | None = None
        self.relief: Relief | None = None
        if self._monitor is not None:
            self._monitor.reset()

    def moves(self) -> None:
        """The command moves, or may do so in the mode that has begun."""
        self._held_since_s = None

    def holds(self, steady_s: float) -> None:
        """The command stands still in this period."""
        if self._held_since_s is None:
            self._held_since_s = steady_s

    def held_s(self, steady_s: float) -> float:
        """For how long the command has stood still, s."""
        return 0.0 if self._held_since_s is None else steady_s - self._held_since_s

    def settled(self, steady_s: float) -> bool:
        """Whether a held arm is at rest: one that moves then has lost its torque, or is pushed."""
        return self.held_s(steady_s) >= SETTLE_S

    def strays(self, measured_D: np.ndarray, command_D: np.ndarray, steady_s: float) -> str:
        """Once per control period: which joints are not where they were sent, or ""."""
        if self._monitor is None:
            return ""
        report = self._monitor.update(measured_D, command_D, self.held_s(steady_s))
        return report.detail if report.verdict is Tracking.FAULT else ""

    def relieve(self, command_D: np.ndarray, measured_D: np.ndarray, steady_s: float) -> None:
        """Something has just stopped the arm at ``measured_D``."""
        self.relief = Relief(command_D, measured_D, self.tracked_D, steady_s)
