"""The scripted expert that puts a block on a plate: the pick-up expert's grasp, then the way down.

Like that one it looks at nothing but the situation, so it also picks up again what it dropped, and
leaves alone what is where it belongs.
"""

import numpy as np

from .pick_up_expert import HOVER_Z_M, PickUpExpert, Situation

CARRY_Z_M = 0.115
"""Tool height at which a block in the hand clears others, even those on plates."""
ON_PLATE_M = 0.025
"""A block whose centre is this near to the plate's is on it."""

_RELEASE_M, _RELEASE_Z_M = 0.008, 0.004
"""Sideways and up: from this far away a block is let go."""
_FUNNEL_M = 0.03
"""Sideways distance over which the allowed height rises to where blocks are carried."""


class PutOnPlateExpert(PickUpExpert):
    """Plans in the action space of the WidowX."""

    def action(self, situation: Situation, block: str, plate: str) -> np.ndarray:
        """The next action [7]."""
        position = situation.tool[:3, 3]
        rest = situation.plates[plate].copy()
        rest[2] += self._world.half_extents(plate)[2] + self._world.half_extents(block)[2]
        way = rest - situation.blocks[block]
        away, drop_m = np.linalg.norm(way[:2]), -way[2]
        held = self.grasped(situation, block)
        near = _RELEASE_M if held else ON_PLATE_M
        if away < near and drop_m < _RELEASE_Z_M:
            height = position[2] if held else HOVER_Z_M
            return self._towards(situation, np.array([*position[:2], height]), 1.0)
        if not held:
            return self._grasp(situation, block)
        place_z_m = position[2] + way[2]
        part = np.clip((away - _RELEASE_M) / _FUNNEL_M, 0.0, 1.0)
        height = place_z_m + part * (CARRY_Z_M - place_z_m)
        # Low beside a plate: first up, then sideways.
        sideways = np.clip(1.0 - (height - position[2]) / 0.03, 0.0, 1.0)
        goal = position[:2] + sideways * way[:2]
        return self._towards(situation, np.array([*goal, height]), 0.0)
