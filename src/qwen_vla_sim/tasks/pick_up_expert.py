"""The scripted expert: how to pick up a block from wherever the gripper is now.

A function of what a camera can see (gripper pose and opening, blocks), so that a policy without
memory can imitate it. Actions are BridgeData's: deltas of the commanded pose, gripper absolute.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from qwen_vla_core.embodiment.codec import EmbodimentCodec
from qwen_vla_core.embodiment.rotation import euler_from_matrix

from ..hardware.xs_models import WX250S
from ..worlds.widowx_mjcf import BLOCK_HALF_M
from ..worlds.world import World
from .tabletop import pointing_down
from .task import Scene

GRASP_Z_M = BLOCK_HALF_M + 0.003
"""Tool height at the grasp; the fingertips end 12 mm below the tool."""
HOVER_Z_M = 0.095
"""Above this the fingers clear the blocks."""
LIFT_Z_M = 0.15
MAX_STEP_M, MAX_STEP_RAD = 0.03, 0.12
"""Below BridgeData's limits of 0.05 m and 0.25 rad."""
APPROACH_GAIN = 0.7
"""Part of the remaining way covered per step, so that motions end softly."""

_CENTRED_M = 0.008
_FUNNEL_M = 0.025
"""Sideways distance over which the allowed height rises from the grasp to the hover."""
_DOWN_M = 0.007
_CLOSING_SLACK = 1.8
_OPEN_M = 0.031
"""Half opening from which on the fingers pass a block on the way down."""
_HELD_MARGIN_M = 0.001
_AROUND_M = 0.018
"""A block this near to the tool, sideways, is between the fingers."""
_BELOW_M = 0.028
"""So is one this far below, which slips a little when the fingers lift before they press."""
FINGER_STEP_M = 0.0053
"""What the fingers move in one action step at Bridge's 350 pwm (0.0265 m/s)."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What the expert looks at.

    Attributes:
        tool: commanded pose of the tool [4, 4], m.
        finger_m: measured half opening.
        blocks: body -> centre [3], m.
        half_widths_m: body -> half of what the fingers find when they close onto the block;
            more than half its side when it stands askew.
    """

    tool: np.ndarray
    finger_m: float
    blocks: Mapping[str, np.ndarray]
    half_widths_m: Mapping[str, float]


class PickUpExpert:
    """Plans in the action space of the WidowX.

    Args:
        target: which body an instruction names in a scene.
    """

    def __init__(
        self,
        codec: EmbodimentCodec,
        world: World,
        scene: Scene,
        target: Callable[[Scene, str], str],
    ) -> None:
        self._arm, self._down = codec.groups["arm"], pointing_down(codec)
        self._world, self._scene, self._target = world, scene, target

    def plan(self, commanded_D: np.ndarray, instruction: str, steps: int) -> np.ndarray:
        """The next actions [steps, 7], native units, that lift the named block."""
        block = self._target(self._scene, instruction)
        situation, actions = self.situation(commanded_D), []
        for _ in range(steps):
            actions.append(self.action(situation, block))
            situation = self._predict(situation, block, actions[-1])
        return np.stack(actions)

    def feasible(self, instruction: str) -> bool:
        """Whether no other block is in the gripper."""
        situation = self.situation(self._world.positions_D)
        held = {block for block in self._scene.names if self.grasped(situation, block)}
        return held <= {self._target(self._scene, instruction)}

    def situation(self, positions_D: np.ndarray) -> Situation:
        """What there is to see in the world now, the arm at joint positions [7]."""
        tool = self._arm.kinematics.forward(positions_D[:-1])
        blocks = tuple(self._scene.names)
        return Situation(
            tool=tool,
            finger_m=float(self._world.positions_D[-1]),
            blocks={block: self._world.body_position(block) for block in blocks},
            half_widths_m={
                block: BLOCK_HALF_M
                * np.abs(self._world.body_rotation(block).T @ tool[:3, 1]).sum()
                for block in blocks
            },
        )

    def grasped(self, situation: Situation, block: str) -> bool:
        """Whether the fingers have closed onto the block."""
        to_block = situation.blocks[block] - situation.tool[:3, 3]
        around = np.linalg.norm(to_block[:2]) < _AROUND_M and abs(to_block[2]) < _BELOW_M
        closed_m = situation.half_widths_m[block] + _HELD_MARGIN_M
        return bool(around and situation.finger_m < closed_m)

    def action(self, situation: Situation, block: str) -> np.ndarray:
        """The next action [7]."""
        position = situation.tool[:3, 3]
        if self.grasped(situation, block):
            return self._towards(situation, np.array([*position[:2], LIFT_Z_M]), 0.0)
        centre = situation.blocks[block]
        away = np.linalg.norm(centre[:2] - position[:2])
        # Fingers that already close around the block may be further off than those that start.
        slack = _CLOSING_SLACK if situation.finger_m < _OPEN_M else 1.0
        if away < slack * _CENTRED_M and position[2] < GRASP_Z_M + slack * _DOWN_M:
            return self._towards(situation, np.array([*centre[:2], GRASP_Z_M]), 0.0)
        part = np.clip((away - _CENTRED_M) / _FUNNEL_M, 0.0, 1.0)
        if situation.finger_m < _OPEN_M:
            part = 1.0
        height = GRASP_Z_M + part * (HOVER_Z_M - GRASP_Z_M)
        # Low beside a block: first up, then sideways.
        sideways = np.clip(1.0 - (height - position[2]) / 0.03, 0.0, 1.0)
        goal = position[:2] + sideways * (centre[:2] - position[:2])
        return self._towards(situation, np.array([*goal, height]), 1.0)

    def _towards(self, situation: Situation, goal: np.ndarray, gripper: float) -> np.ndarray:
        way = APPROACH_GAIN * (goal - situation.tool[:3, 3])
        way *= min(1.0, MAX_STEP_M / max(np.linalg.norm(way), 1e-9))
        turn = euler_from_matrix(self._down @ situation.tool[:3, :3].T)
        turn *= min(1.0, MAX_STEP_RAD / max(np.linalg.norm(turn), 1e-9))
        return np.array([*way, *turn, gripper])

    def _predict(self, situation: Situation, block: str, action: np.ndarray) -> Situation:
        """The situation one step later, as the world would roughly answer."""
        tool = self._arm.step(situation.tool, action[:6])
        blocks = dict(situation.blocks)
        centre = blocks[block]
        if self.grasped(situation, block):
            blocks[block] = centre + tool[:3, 3] - situation.tool[:3, 3]
        between = np.linalg.norm(centre - tool[:3, 3]) < 0.02
        closed = situation.half_widths_m[block] if between else WX250S.finger_limits_m[0]
        goal = WX250S.finger_limits_m[1] if action[6] > 0.5 else closed
        finger_m = situation.finger_m + np.clip(
            goal - situation.finger_m, -FINGER_STEP_M, FINGER_STEP_M
        )
        return replace(situation, tool=tool, finger_m=finger_m, blocks=blocks)
