"""After something stopped the arm: one motion of the command to where the arm is, then none.

An arm that was stopped goes on pushing towards its last command. The command is moved to the
measured pose once that has been steady, and never farther than the two were apart at the fault,
so that a wrong measurement cannot lead anywhere.
"""

import numpy as np

from ..safety import MeasuredPose

STEADY_S = 0.1
"""The measured pose must have been steady for this long, s."""

WAIT_S = 0.5
"""An arm that is not at rest after this time is being moved by something else: nothing is done."""

LONGEST_S = 3.0
"""No relief takes longer than this, s: 0.5 rad at a slow joint's speed, with a margin."""

REACHED = 1e-6
"""The command is there, rad or m."""


class Relief:
    """The target of that motion, period by period."""

    def __init__(
        self,
        command_D: np.ndarray,
        measured_D: np.ndarray,
        relieved_D: np.ndarray,
        steady_s: float,
    ) -> None:
        """The fault has just been found.

        Args:
            command_D: the command in force, float64 [D], rad or m.
            measured_D: where the robot is.
            relieved_D: bool [D], joints whose command may move; a gripper goes on holding.
            steady_s: steady time, s.
        """
        self._command_D, self._began_s = command_D, steady_s
        self._reach_D = np.where(relieved_D, np.abs(measured_D - command_D), 0.0)
        self._target_D: np.ndarray | None = None
        self.over = False

    def target(
        self, pose: MeasuredPose, command_D: np.ndarray, steady_s: float
    ) -> np.ndarray | None:
        """Where the command shall go now, [D]; None to hold. ``over`` says when it is done."""
        took_s = steady_s - self._began_s
        if self._target_D is None:
            if not pose.unsteady(steady_s, STEADY_S):
                self._target_D = np.clip(
                    pose.positions_D,
                    self._command_D - self._reach_D,
                    self._command_D + self._reach_D,
                )
            self.over = self._target_D is None and took_s > WAIT_S
        elif took_s > LONGEST_S or (np.abs(command_D - self._target_D) <= REACHED).all():
            self.over = True
        return None if self.over else self._target_D
