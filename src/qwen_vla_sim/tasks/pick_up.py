"""The task 'pick up the {red|green|blue} block': scenes by seed, and what counts as success."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from qwen_vla_core.embodiment.codec import EmbodimentCodec
from qwen_vla_core.embodiment.rotation import matrix_from_euler
from qwen_vla_core.errors import InstructionError

from ..worlds.widowx import WidowxWorld
from ..worlds.widowx_mjcf import BLOCK_HALF_M, BLOCK_RGB, FINGER_LIMITS_M

COLOURS = tuple(BLOCK_RGB)
BLOCK_AREA_M = ((0.20, 0.34), (-0.12, 0.12))
"""x and y range of block centres: what both cameras see and the arm reaches pointing down."""
BLOCK_SEPARATION_M = 0.085
"""Between centres; room for an open gripper, 0.094 m wide outside, between two blocks."""
BLOCK_YAW_RAD = 0.25
START_AREA_M = ((0.20, 0.32), (-0.09, 0.09), (0.14, 0.20))
START_YAW_RAD = 0.3
LIFTED_M = 0.05
"""A block counts as lifted from this rise of its centre on."""
TIME_LIMIT_STEPS = 60

_NEUTRAL_RAD = np.array([0.0, -0.15, 0.26, 0.0, 1.46, 0.0])
"""Gripper pointing down in the middle of the area; where the search for start poses begins."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One start of an episode.

    Attributes:
        colour: the block that the instruction names.
        blocks: colour -> (x m, y m, yaw rad).
        positions_D: joint positions [7] of the robot.
    """

    seed: int
    colour: str
    blocks: Mapping[str, tuple[float, float, float]]
    positions_D: np.ndarray

    @property
    def instruction(self) -> str:
        return instruction_for(self.colour)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What is held in the air: ``lifted`` names the block, if any."""

    success: bool
    lifted: str | None


def instruction_for(colour: str) -> str:
    """The sentence that asks for a block."""
    return f"pick up the {colour} block"


def colour_in(instruction: str) -> str:
    """The colour that an instruction names.

    Raises:
        InstructionError: it names none, or several.
    """
    named = [colour for colour in COLOURS if re.search(rf"\b{colour}\b", instruction.lower())]
    if len(named) != 1:
        raise InstructionError(
            f"'{instruction}' does not name exactly one of {', '.join(COLOURS)}"
        )
    return named[0]


def pointing_down(codec: EmbodimentCodec) -> np.ndarray:
    """Rotation of the tool [3, 3] with the gripper pointing down and no yaw."""
    arm = next(group for group in codec.embodiment.groups if group.name == "arm")
    return np.array(arm.action.kinematics.zero_rotation)


def pose_to_joints(
    x_m: float, y_m: float, z_m: float, yaw_rad: float, codec: EmbodimentCodec
) -> np.ndarray:
    """Joint positions [6] that put the tool there, pointing down."""
    pose = np.eye(4)
    pose[:3, :3] = matrix_from_euler(np.array([0.0, 0.0, yaw_rad])) @ pointing_down(codec)
    pose[:3, 3] = x_m, y_m, z_m
    return codec.groups["arm"].kinematics.inverse(pose, _NEUTRAL_RAD)


def sample_scene(seed: int, codec: EmbodimentCodec) -> Scene:
    """The scene of a seed: two or three blocks, the arm above them, the gripper open."""
    rng = np.random.default_rng(seed)
    colours = list(rng.permutation(COLOURS)[: 3 if rng.random() < 0.7 else 2])
    centres: list[np.ndarray] = []
    while len(centres) < len(colours):
        centre = rng.uniform(*np.transpose(BLOCK_AREA_M))
        if all(np.linalg.norm(centre - other) >= BLOCK_SEPARATION_M for other in centres):
            centres.append(centre)
    position = rng.uniform(*np.transpose(START_AREA_M))
    joints = pose_to_joints(*position, rng.uniform(-START_YAW_RAD, START_YAW_RAD), codec)
    return Scene(
        seed=seed,
        colour=str(colours[0]),
        blocks={
            str(colour): (*centre, rng.uniform(-BLOCK_YAW_RAD, BLOCK_YAW_RAD))
            for colour, centre in zip(colours, centres, strict=True)
        },
        positions_D=np.append(joints, FINGER_LIMITS_M[1]),
    )


def judge(world: WidowxWorld, scene: Scene) -> Outcome:
    """Success is the named block held in the air between both fingers, and no other lifted."""
    heights = {c: float(world.block_position(c)[2]) - BLOCK_HALF_M for c in scene.blocks}
    risen = {colour: height > LIFTED_M for colour, height in heights.items()}
    lifted = next((c for c in scene.blocks if risen[c] and world.held(c)), None)
    return Outcome(success=lifted == scene.colour and sum(risen.values()) == 1, lifted=lifted)
