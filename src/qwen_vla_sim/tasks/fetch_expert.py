"""The scripted expert of an arm on a base: drive to a block, unfold on the way, pick it up.

Like the pick-up expert, whose grasp this is, it is a function of what can be seen now. It looks at
everything from the arm's base_link, towards which the blocks come while the base drives.
"""

from dataclasses import replace

import numpy as np

from ..worlds.widowx_mobile_mjcf import ARM_X_M, CAMERA_X_M
from .driving import arc, polar, steer
from .pick_up_expert import PickUpExpert, Situation

REACH_M = 0.27
"""How far ahead of the arm's base_link a block is when the base stops."""
IN_SIGHT_RAD = 0.43
"""To each side of the forward camera; the edge of the image is at 0.48."""

_IN_REACH_M, _IN_REACH_RAD = (0.20, 0.315), 0.3
"""Distance from the arm's base_link and bearing at which driving ends and the arm takes over."""
_UNFOLD_M = 0.50
"""From the arm's base_link; from here on the arm gets ready while the base still drives."""
_READY_M = np.array([0.20, 0.0, 0.14])
_BACK_M_S = -0.1
_HERE = np.zeros(3)
_ARM_M = np.array([ARM_X_M, 0.0, 0.0])
"""The arm's base_link in the base's."""


class FetchExpert(PickUpExpert):
    """Plans in the action space of the mobile WidowX: forward, turn, then the WidowX's seven."""

    def feasible(self, instruction: str) -> bool:
        """Whether the block is in sight and no other one in the gripper."""
        block = self._read(self._scene, instruction)[0]
        x, y, _ = self.situation(self._world.positions_D).blocks[block]
        in_sight = abs(np.arctan2(y, x + ARM_X_M - CAMERA_X_M)) < IN_SIGHT_RAD
        return in_sight and super().feasible(instruction)

    def action(self, situation: Situation, block: str) -> np.ndarray:
        """The next action [9]."""
        place = (situation.blocks[block] + _ARM_M)[:2]
        distance_m, bearing = polar(_HERE, place)
        ahead_m = distance_m - ARM_X_M
        in_reach = _IN_REACH_M[0] < ahead_m < _IN_REACH_M[1] and abs(bearing) < _IN_REACH_RAD
        if in_reach or self.grasped(situation, block):
            return np.array([0.0, 0.0, *super().action(situation, block)])
        forward, turn = steer(_HERE, place, stop_m=ARM_X_M + REACH_M, obstacles=())
        if ahead_m < _IN_REACH_M[0]:
            forward = _BACK_M_S
        hold = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
        arm = self._towards(situation, _READY_M, 1.0) if ahead_m < _UNFOLD_M else hold
        return np.array([forward, turn, *arm])

    def _predict(self, situation: Situation, block: str, action: np.ndarray) -> Situation:
        """The situation one step later."""
        forward, turn, *arm = action
        after = super()._predict(situation, block, np.array(arm))
        there = arc(_HERE, forward, turn, self._step_s)
        blocks = {
            name: _seen_from(there, centre + _ARM_M) - _ARM_M
            for name, centre in after.blocks.items()
        }
        return replace(after, blocks=blocks)


def _seen_from(pose: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Where a point [3] is for a base that has moved to a pose [3]."""
    x, y = centre[:2] - pose[:2]
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    return np.array([cos * x + sin * y, cos * y - sin * x, centre[2]])
