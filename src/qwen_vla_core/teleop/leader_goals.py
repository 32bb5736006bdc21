"""Goals for the motors of a leader arm, so that it goes where the robot is commanded."""

from collections.abc import Mapping

import numpy as np

from ..embodiment import Embodiment
from ..embodiment.schema import LeaderArm
from ..execution.limiter import SLOW


class LeaderGoals:
    """The goals of one arm, from one period to the next.

    It sets out from where the leader is, comes slowly, and keeps up with the robot once they have
    met. A goal is never farther from the leader than ``agreement_rad``: motors whose torque is off
    do not follow, and must not jump when somebody switches it on.
    """

    def __init__(self, embodiment: Embodiment, arm: LeaderArm, agreement_rad: float) -> None:
        self._rows = [embodiment.joint_names.index(entry.joint) for entry in arm.joints]
        self._ours = [entry.joint for entry in arm.joints]
        self._names = [entry.leader for entry in arm.joints]
        self._sign_G = np.array([entry.sign for entry in arm.joints], dtype=float)
        self._offset_G = np.array([entry.offset for entry in arm.joints])
        self._speed_G = np.array([embodiment.joints[row].velocity for row in self._rows])
        self._near_rad = agreement_rad
        self.forget()

    def forget(self) -> None:
        """The leader is left alone; the next goal sets out from where it is then."""
        self._goal_G: np.ndarray | None = None
        self._met_G = np.zeros(len(self._rows), dtype=bool)

    def step(
        self, command_D: np.ndarray, leader: Mapping[str, float], dt_s: float
    ) -> dict[str, float]:
        """The next goals, rad, by the leader's own names of its joints.

        Args:
            command_D: what the robot is commanded, [D], finite.
            leader: our joint -> where the leader has it, rad, as ``LeaderReader`` tells.
            dt_s: time since the last call, s.
        """
        measured_G = np.array([leader[joint] for joint in self._ours])
        goal_G = measured_G if self._goal_G is None else self._goal_G
        wanted_G = command_D[self._rows]
        off_G, slow_G = np.abs(wanted_G - goal_G), SLOW * self._speed_G * dt_s
        self._met_G = (self._met_G & (off_G <= self._near_rad)) | (off_G <= slow_G)
        step_G = np.where(self._met_G, self._speed_G * dt_s, slow_G)
        goal_G = np.clip(wanted_G, goal_G - step_G, goal_G + step_G)
        goal_G = np.clip(goal_G, measured_G - self._near_rad, measured_G + self._near_rad)
        self._goal_G = goal_G
        theirs_G = self._sign_G * (goal_G - self._offset_G)
        return dict(zip(self._names, theirs_G.tolist(), strict=True))
