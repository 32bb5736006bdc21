"""The task "pick up the red block": two or three blocks on the WidowX's table, one is named."""

from dataclasses import replace

import numpy as np

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.codec import EmbodimentCodec

from ..worlds.objects_mjcf import BLOCKS, BRICKS
from ..worlds.world import World
from .pick_up_expert import PickUpExpert
from .shifts import Shift, background, check_shift
from .tabletop import (
    BLOCK_COLOURS,
    FINGERS,
    PLATE_COLOURS,
    RGB,
    draw_apart,
    lay_objects,
    start_pose,
    wild_pose,
)
from .task import Outcome, Scene
from .wording import Wording

BLOCK_AREA_M = ((0.20, 0.34), (-0.12, 0.12))
"""x and y range of block centres: what both cameras see and the arm reaches pointing down."""
UNSEEN_AREA_M = ((0.19, 0.37), (-0.16, 0.14))
"""The rest of what the first camera sees and the arm reaches."""
BLOCK_SEPARATION_M = 0.085
"""Between centres; room for an open gripper, 0.094 m wide outside, between two blocks."""
BLOCK_YAW_RAD = 0.25
LIFTED_M = 0.05
"""A block counts as lifted from this rise of its centre on."""


class PickUp:
    """Scenes of blocks; success is the named one in the air, between both fingers."""

    name = "pick_up"
    colours = RGB
    time_limit_s = 12.0
    wording = Wording(
        trained=(
            "pick up the {colour} block",
            "lift the {colour} block",
            "grasp the {colour} cube",
            "take the {colour} block and lift it",
        ),
        unseen=(
            "grasp the {colour} cube and lift it",
            "pick up the {colour} cube",
            "take the {colour} block",
        ),
    )

    def __init__(self, embodiment: Embodiment) -> None:
        self._codec = EmbodimentCodec(embodiment)

    def sample(self, seed: int, shift: Shift = Shift.NONE) -> Scene:
        """Two or three blocks, the arm above them, the gripper open.

        Raises:
            ValueError: a shift of a training seed.
        """
        check_shift(seed, shift)
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(BLOCK_COLOURS))[: 3 if rng.random() < 0.7 else 2]
        palette = PLATE_COLOURS if shift is Shift.COLOUR else BLOCK_COLOURS
        colours = [palette[index] for index in order]
        centres = draw_apart(rng, len(colours), BLOCK_AREA_M, _separation)
        start_D = start_pose(rng, self._codec)
        yaws = rng.uniform(-BLOCK_YAW_RAD, BLOCK_YAW_RAD, len(colours))
        if shift is Shift.POSITION:
            centres = draw_apart(
                rng, len(colours), UNSEEN_AREA_M, _separation, outside_m=BLOCK_AREA_M
            )
        bodies = (BRICKS if shift is Shift.INSTANCE else BLOCKS)[: len(colours)]
        template = self.wording.choose(seed, shift)
        surroundings, light = background(seed, shift)
        return Scene(
            seed=seed,
            shift=shift,
            instructions=tuple(template.format(colour=colour) for colour in colours),
            names={body: f"{c} block" for body, c in zip(bodies, colours, strict=True)},
            positions_D=start_D,
            objects=lay_objects(bodies, centres, yaws),
            colours=surroundings
            | {body: RGB[colour] for body, colour in zip(bodies, colours, strict=True)},
            light=light,
        )

    def scatter(self, scene: Scene, rng: np.random.Generator) -> Scene:
        """Sometimes the gripper anywhere over the table and partly closed."""
        return replace(scene, positions_D=wild_pose(rng, self._codec))

    def judge(self, world: World, scene: Scene) -> Outcome:
        """Success is the named block held in the air between both fingers, and no other lifted."""
        risen = [
            body
            for body in scene.names
            if world.body_position(body)[2] > scene.objects[body][2] + LIFTED_M
        ]
        held = next((body for body in risen if FINGERS <= world.touching(body)), None)
        done = next((i for i in scene.instructions if self.target(scene, i) == held), None)
        return Outcome(success=done == scene.instruction and len(risen) == 1, done=done)

    def expert(self, world: World, scene: Scene) -> PickUpExpert:
        """The scripted expert for this task."""
        return PickUpExpert(self._codec, world, scene, self.named)

    def named(self, scene: Scene, instruction: str) -> tuple[str]:
        """The bodies that an instruction names: a block.

        Raises:
            InstructionError: it names none that is here.
        """
        return (self.target(scene, instruction),)

    def target(self, scene: Scene, instruction: str) -> str:
        """The block that an instruction names."""
        return scene.body_named(f"{self.wording.read(instruction)['colour']} block")


def _separation(block: int, other: int) -> float:
    return BLOCK_SEPARATION_M
