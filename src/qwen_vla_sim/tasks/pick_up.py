"""The task "pick up the red block": two or three blocks on the WidowX's table, one is named."""

from dataclasses import replace

import numpy as np

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.codec import EmbodimentCodec

from ..worlds.widowx_mjcf import BLOCK_HALF_M, BLOCKS
from ..worlds.world import World
from .pick_up_expert import PickUpExpert
from .shifts import background, check_shift
from .tabletop import BLOCK_COLOURS, FINGERS, RGB, draw_apart, start_pose, wild_pose
from .task import Outcome, Scene, Shift
from .wording import Wording

BLOCK_AREA_M = ((0.20, 0.34), (-0.12, 0.12))
"""x and y range of block centres: what both cameras see and the arm reaches pointing down."""
BLOCK_SEPARATION_M = 0.085
"""Between centres; room for an open gripper, 0.094 m wide outside, between two blocks."""
BLOCK_YAW_RAD = 0.25
LIFTED_M = 0.05
"""A block counts as lifted from this rise of its centre on."""

WORDING = Wording(
    trained=("pick up the {colour} block",),
    unseen=("grasp the {colour} cube and lift it", "lift the {colour} block"),
)


class PickUp:
    """Scenes of blocks; success is the named one in the air, between both fingers."""

    name = "pick_up"
    time_limit_s = 12.0

    def __init__(self, embodiment: Embodiment) -> None:
        self._codec = EmbodimentCodec(embodiment)

    def sample(self, seed: int, shift: Shift = Shift.NONE) -> Scene:
        """Two or three blocks, the arm above them, the gripper open."""
        check_shift(seed, shift)
        rng = np.random.default_rng(seed)
        colours = [str(colour) for colour in rng.permutation(BLOCK_COLOURS)]
        colours = colours[: 3 if rng.random() < 0.7 else 2]
        centres = draw_apart(rng, len(colours), BLOCK_AREA_M, BLOCK_SEPARATION_M)
        start_D = start_pose(rng, self._codec)
        yaws = rng.uniform(-BLOCK_YAW_RAD, BLOCK_YAW_RAD, len(colours))
        surroundings, light = background(seed, shift)
        template = WORDING.choose(seed, shift)
        bodies = BLOCKS[: len(colours)]
        return Scene(
            seed=seed,
            shift=shift,
            instructions=tuple(template.format(colour=colour) for colour in colours),
            names={body: f"{c} block" for body, c in zip(bodies, colours, strict=True)},
            positions_D=start_D,
            objects={
                body: (*centre, BLOCK_HALF_M, yaw)
                for body, centre, yaw in zip(bodies, centres, yaws, strict=True)
            },
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
        """Someone who can do it."""
        return PickUpExpert(self._codec, world, scene, self.target)

    def target(self, scene: Scene, instruction: str) -> str:
        """The block that an instruction names."""
        return scene.body_named(f"{WORDING.read(instruction)['colour']} block")
