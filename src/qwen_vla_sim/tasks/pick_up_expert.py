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
from ..worlds.world import World
from .tabletop import pointing_down
from .task import Scene

GRASP_M = 0.003
"""Tool above the middle of a block at the grasp; the fingertips end 17 mm below the tool."""
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
FINGER_M_S = 0.0265
"""How fast each finger moves at Bridge's 350 pwm."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What the expert looks at, in the frame of the arm's base_link.

    Attributes:
        tool: commanded pose of the tool [4, 4], m.
        finger_m: measured half opening.
        blocks: body -> centre [3], m, of what can be picked up.
        half_widths_m: body -> half of what the fingers find when they close onto the block;
            more than half its side when it stands askew.
        plates: body -> centre [3], m, of what a block can be put on.
    """

    tool: np.ndarray
    finger_m: float
    blocks: Mapping[str, np.ndarray]
    half_widths_m: Mapping[str, float]
    plates: Mapping[str, np.ndarray]


class PickUpExpert:
    """Plans in the action space of the WidowX.

    Args:
        read: which bodies an instruction names in a scene: the block, then what else there is.
    """

    def __init__(
        self,
        codec: EmbodimentCodec,
        world: World,
        scene: Scene,
        read: Callable[[Scene, str], tuple[str, ...]],
    ) -> None:
        self._arm, self._down = codec.groups["arm"], pointing_down(codec)
        self._arm_rows = codec.embodiment.group_slice("arm")
        self._finger_row = codec.embodiment.group_slice("gripper").start
        self._step_s = codec.embodiment.action_step_s
        self._world, self._scene, self._read = world, scene, read
        named = [read(scene, instruction) for instruction in scene.instructions]
        self._blocks = tuple(dict.fromkeys(bodies[0] for bodies in named))
        self._plates = tuple(dict.fromkeys(body for bodies in named for body in bodies[1:]))

    def plan(self, commanded_D: np.ndarray, instruction: str, steps: int) -> np.ndarray:
        """The next actions [steps, C], native units, that carry out the instruction."""
        bodies = self._read(self._scene, instruction)
        situation, actions = self.situation(commanded_D), []
        for _ in range(steps):
            actions.append(self.action(situation, *bodies))
            situation = self._predict(situation, bodies[0], actions[-1])
        return np.stack(actions)

    def feasible(self, instruction: str) -> bool:
        """Whether no other block is in the gripper."""
        situation = self.situation(self._world.positions_D)
        held = {block for block in self._blocks if self.grasped(situation, block)}
        return held <= {self._read(self._scene, instruction)[0]}

    def situation(self, positions_D: np.ndarray) -> Situation:
        """What there is to see in the world now, the robot's joints at [D]."""
        tool = self._arm.kinematics.forward(positions_D[self._arm_rows])
        across = self._world.body_rotation("arm_base") @ tool[:3, 1]
        return Situation(
            tool=tool,
            finger_m=float(self._world.positions_D[self._finger_row]),
            blocks={body: self._centre(body) for body in self._blocks},
            half_widths_m={
                body: self._world.half_extents(body)
                @ np.abs(self._world.body_rotation(body).T @ across)
                for body in self._blocks
            },
            plates={body: self._centre(body) for body in self._plates},
        )

    def _centre(self, body: str) -> np.ndarray:
        """Where a body is [3] in the arm's base_link, m."""
        from_arm = self._world.body_position(body) - self._world.body_position("arm_base")
        return self._world.body_rotation("arm_base").T @ from_arm

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
        return self._grasp(situation, block)

    def _grasp(self, situation: Situation, block: str) -> np.ndarray:
        """The next action [7] towards a block between the fingers."""
        position = situation.tool[:3, 3]
        centre = situation.blocks[block]
        grasp_z_m = centre[2] + GRASP_M
        away = np.linalg.norm(centre[:2] - position[:2])
        # Fingers that already close around the block may be further off than those that start.
        slack = _CLOSING_SLACK if situation.finger_m < _OPEN_M else 1.0
        if away < slack * _CENTRED_M and position[2] < grasp_z_m + slack * _DOWN_M:
            return self._towards(situation, np.array([*centre[:2], grasp_z_m]), 0.0)
        part = np.clip((away - _CENTRED_M) / _FUNNEL_M, 0.0, 1.0)
        if situation.finger_m < _OPEN_M:
            part = 1.0
        height = grasp_z_m + part * (HOVER_Z_M - grasp_z_m)
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
        most_m = FINGER_M_S * self._step_s
        finger_m = situation.finger_m + np.clip(goal - situation.finger_m, -most_m, most_m)
        return replace(situation, tool=tool, finger_m=finger_m, blocks=blocks)
