"""The scripted expert: how to pick up a block from wherever the gripper is now.

A function of what a camera can see (gripper pose and opening, blocks), so that a policy without
memory can imitate it. Actions are BridgeData's: deltas of the commanded pose, gripper absolute.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from qwen_vla_core.embodiment.codec import EmbodimentCodec
from qwen_vla_core.embodiment.rotation import euler_from_matrix
from qwen_vla_core.execution import Prefix
from qwen_vla_core.types import Observation

from ..worlds.widowx import WidowxWorld
from ..worlds.widowx_mjcf import BLOCK_HALF_M, FINGER_LIMITS_M
from .pick_up import colour_in, pointing_down

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
        blocks: colour -> centre [3], m.
        half_widths_m: colour -> half of what the fingers find when they close onto the block;
            more than half its side when it stands askew.
    """

    tool: np.ndarray
    finger_m: float
    blocks: Mapping[str, np.ndarray]
    half_widths_m: Mapping[str, float]


class PickUpExpert:
    """Plans in the action space of the WidowX."""

    def __init__(self, codec: EmbodimentCodec) -> None:
        self._arm = codec.groups["arm"]
        self._down = pointing_down(codec)

    def plan(self, situation: Situation, colour: str, steps: int) -> np.ndarray:
        """The next actions [steps, 7], native units, that lift the named block."""
        actions = []
        for _ in range(steps):
            actions.append(self.action(situation, colour))
            situation = self._predict(situation, colour, actions[-1])
        return np.stack(actions)

    def situation(
        self, commanded_D: np.ndarray, world: WidowxWorld, colours: tuple[str, ...]
    ) -> Situation:
        """What there is to see in the world now of the blocks named."""
        tool = self._arm.kinematics.forward(commanded_D[:-1])
        return Situation(
            tool=tool,
            finger_m=float(world.positions_D[-1]),
            blocks={colour: world.block_position(colour) for colour in colours},
            half_widths_m={
                colour: BLOCK_HALF_M * np.abs(world.block_rotation(colour).T @ tool[:3, 1]).sum()
                for colour in colours
            },
        )

    def grasped(self, situation: Situation, colour: str) -> bool:
        """Whether the fingers have closed onto the block."""
        to_block = situation.blocks[colour] - situation.tool[:3, 3]
        around = np.linalg.norm(to_block[:2]) < _AROUND_M and abs(to_block[2]) < _BELOW_M
        closed_m = situation.half_widths_m[colour] + _HELD_MARGIN_M
        return bool(around and situation.finger_m < closed_m)

    def action(self, situation: Situation, colour: str) -> np.ndarray:
        """The next action [7]."""
        position = situation.tool[:3, 3]
        if self.grasped(situation, colour):
            return self._towards(situation, np.array([*position[:2], LIFT_Z_M]), 0.0)
        block = situation.blocks[colour]
        away = np.linalg.norm(block[:2] - position[:2])
        # Fingers that already close around the block may be further off than those that start.
        slack = _CLOSING_SLACK if situation.finger_m < _OPEN_M else 1.0
        if away < slack * _CENTRED_M and position[2] < GRASP_Z_M + slack * _DOWN_M:
            return self._towards(situation, np.array([*block[:2], GRASP_Z_M]), 0.0)
        part = np.clip((away - _CENTRED_M) / _FUNNEL_M, 0.0, 1.0)
        if situation.finger_m < _OPEN_M:
            part = 1.0
        height = GRASP_Z_M + part * (HOVER_Z_M - GRASP_Z_M)
        # Low beside a block: first up, then sideways.
        sideways = np.clip(1.0 - (height - position[2]) / 0.03, 0.0, 1.0)
        goal = position[:2] + sideways * (block[:2] - position[:2])
        return self._towards(situation, np.array([*goal, height]), 1.0)

    def _towards(self, situation: Situation, goal: np.ndarray, gripper: float) -> np.ndarray:
        way = APPROACH_GAIN * (goal - situation.tool[:3, 3])
        way *= min(1.0, MAX_STEP_M / max(np.linalg.norm(way), 1e-9))
        turn = euler_from_matrix(self._down @ situation.tool[:3, :3].T)
        turn *= min(1.0, MAX_STEP_RAD / max(np.linalg.norm(turn), 1e-9))
        return np.array([*way, *turn, gripper])

    def _predict(self, situation: Situation, colour: str, action: np.ndarray) -> Situation:
        """The situation one step later, as the world would roughly answer."""
        tool = self._arm.step(situation.tool, action[:6])
        blocks = dict(situation.blocks)
        block = blocks[colour]
        if self.grasped(situation, colour):
            blocks[colour] = block + tool[:3, 3] - situation.tool[:3, 3]
        between = np.linalg.norm(block - tool[:3, 3]) < 0.02
        closed = situation.half_widths_m[colour] if between else FINGER_LIMITS_M[0]
        goal = FINGER_LIMITS_M[1] if action[6] > 0.5 else closed
        finger_m = situation.finger_m + np.clip(
            goal - situation.finger_m, -FINGER_STEP_M, FINGER_STEP_M
        )
        return replace(situation, tool=tool, finger_m=finger_m, blocks=blocks)


class ExpertPolicy:
    """The expert as a policy that peeks into the world instead of looking at the images."""

    def __init__(self, codec: EmbodimentCodec, world: WidowxWorld) -> None:
        self._codec, self._world = codec, world
        self._expert = PickUpExpert(codec)

    def infer(self, observation: Observation, prefix: Prefix | None = None) -> np.ndarray:
        """Normalised actions [H, 7] for the block that the instruction names.

        A prefix is not needed: the plan always leads on from what was commanded.

        Raises:
            InstructionError: it does not name exactly one block.
        """
        colour = colour_in(observation.instruction)
        situation = self._expert.situation(observation.commanded_D, self._world, (colour,))
        plan = self._expert.plan(situation, colour, self._codec.embodiment.horizon)
        return self._codec.normalize_actions(plan)
