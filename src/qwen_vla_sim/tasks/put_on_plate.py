"""The task "put the red block on the yellow plate": two blocks and two plates on a table."""

from dataclasses import replace
from itertools import product

import numpy as np

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.codec import EmbodimentCodec

from ..worlds.objects_mjcf import BLOCKS, BRICKS, HALF_M, PLATES, TRAYS
from ..worlds.world import World
from .put_on_plate_expert import ON_PLATE_M, PutOnPlateExpert
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

AREA_M = ((0.20, 0.35), (-0.14, 0.12))
UNSEEN_AREA_M = ((0.19, 0.38), (-0.17, 0.14))
"""x and y range of centres; the second without the first is where nothing is trained."""
SEPARATION_M, PLATE_SEPARATION_M = 0.085, 0.105
"""Between the centres of two blocks and of a plate and anything else: room for an open gripper."""
YAW_RAD = 0.25
DRAGGED_M = 0.03
"""A plate that has moved farther than this was dragged away."""
OPEN_M = 0.03
"""Half opening of a gripper that has let go."""


class PutOnPlate:
    """Success is the named block on the named plate, let go of."""

    name = "put_on_plate"
    colours = RGB
    time_limit_s = 16.0
    wording = Wording(
        trained=(
            "put the {block} block on the {plate} plate",
            "place the {block} block on the {plate} plate",
            "move the {block} cube to the {plate} plate",
            "take the {block} block and put it on the {plate} plate",
        ),
        unseen=(
            "put the {block} cube on the {plate} plate",
            "move the {block} block to the {plate} plate",
            "take the {block} cube and place it on the {plate} plate",
        ),
    )

    def __init__(self, embodiment: Embodiment) -> None:
        self._codec = EmbodimentCodec(embodiment)

    def sample(self, seed: int, shift: Shift = Shift.NONE) -> Scene:
        """Two blocks and two plates, the arm above them, the gripper open.

        Raises:
            ValueError: a shift of a training seed.
        """
        check_shift(seed, shift)
        rng = np.random.default_rng(seed)
        kinds = [BLOCK_COLOURS, PLATE_COLOURS]
        if shift is Shift.COLOUR:
            kinds.reverse()
        block_colours, plate_colours = (
            [kind[i] for i in rng.permutation(len(kind))[:2]] for kind in kinds
        )
        start_D = start_pose(rng, self._codec)
        yaws = rng.uniform(-YAW_RAD, YAW_RAD, 4)
        centres = draw_apart(
            rng,
            4,
            UNSEEN_AREA_M if shift is Shift.POSITION else AREA_M,
            lambda i, j: PLATE_SEPARATION_M if max(i, j) >= 2 else SEPARATION_M,
            outside_m=AREA_M if shift is Shift.POSITION else None,
        )
        bodies = BLOCKS[:2] + PLATES[:2]
        if shift is Shift.INSTANCE:
            bodies = BRICKS[:2] + TRAYS[:2]
        template = self.wording.choose(seed, shift)
        surroundings, light = background(seed, shift)
        colours = dict(zip(bodies, (*block_colours, *plate_colours), strict=True))
        kind_of = dict(zip(bodies, ("block", "block", "plate", "plate"), strict=True))
        return Scene(
            seed=seed,
            shift=shift,
            instructions=tuple(
                template.format(block=block, plate=plate)
                for block, plate in product(block_colours, plate_colours)
            ),
            names={body: f"{colour} {kind_of[body]}" for body, colour in colours.items()},
            positions_D=start_D,
            objects=lay_objects(bodies, centres, yaws),
            colours=surroundings | {body: RGB[colour] for body, colour in colours.items()},
            light=light,
        )

    def scatter(self, scene: Scene, rng: np.random.Generator) -> Scene:
        """The gripper anywhere over the table and partly closed."""
        return replace(scene, positions_D=wild_pose(rng, self._codec))

    def judge(self, world: World, scene: Scene) -> Outcome:
        """Success is the named block on the named plate, let go of, the plate where it was."""
        done = next(
            (i for i in scene.instructions if _lies(world, scene, *self.named(scene, i))), None
        )
        return Outcome(success=done == scene.instruction, done=done)

    def expert(self, world: World, scene: Scene) -> PutOnPlateExpert:
        """The scripted expert for this task."""
        return PutOnPlateExpert(self._codec, world, scene, self.named)

    def named(self, scene: Scene, instruction: str) -> tuple[str, str]:
        """The block and the plate that an instruction names.

        Raises:
            InstructionError: it names none that are here.
        """
        words = self.wording.read(instruction)
        return (
            scene.body_named(f"{words['block']} block"),
            scene.body_named(f"{words['plate']} plate"),
        )

    def target(self, scene: Scene, instruction: str) -> str:
        """The block that an instruction names."""
        return self.named(scene, instruction)[0]


def _lies(world: World, scene: Scene, block: str, plate: str) -> bool:
    """Whether a block lies on a plate, let go of, and the plate where it was."""
    above = world.body_position(block) - world.body_position(plate)
    dragged_m = np.linalg.norm(world.body_position(plate)[:2] - scene.objects[plate][:2])
    touching = world.touching(block)
    return bool(
        np.linalg.norm(above[:2]) < ON_PLATE_M
        and abs(above[2] - HALF_M[block][2] - HALF_M[plate][2]) < 0.005
        and plate in touching
        and not touching & FINGERS
        and world.positions_D[-1] > OPEN_M
        and dragged_m < DRAGGED_M
    )
