"""ALOHA's tasks: "pick up the red cube with the left arm", "hand the red cube to the left arm".

Two to four cubes stand between both arms, where either reaches them, so that both words of a
sentence are needed: the colour and the arm.
"""

from dataclasses import replace
from itertools import product

import numpy as np

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.errors import InstructionError

from ..hardware.xs_models import VX300S
from ..worlds.aloha_mjcf import ARMS, BASES_M, CUBE_HALF_M, SIDES, UNSEEN_CUBE_HALF_M
from ..worlds.world import Colour, World
from .aloha_arm import START_FINGER_M, START_RAD
from .aloha_expert import AlohaExpert, Request
from .shifts import Shift, background, check_shift
from .task import Outcome, Scene
from .wording import Wording

COLOURS: dict[str, Colour] = {
    "red": (0.85, 0.10, 0.08, 1.0),
    "green": (0.10, 0.62, 0.15, 1.0),
    "blue": (0.10, 0.22, 0.85, 1.0),
    "yellow": (0.92, 0.80, 0.10, 1.0),
}
UNSEEN_COLOUR = {"left": "yellow", "right": "blue"}
"""Arm -> the colour that no training instruction pairs with it, though with the other arm."""

AREA_M = ((0.70, 0.88), (-0.10, 0.10))
"""x and y range of cubes: what both arms reach pointing down."""
UNSEEN_AREAS_M = (((0.63, 0.68), (-0.10, 0.10)), ((0.90, 0.93), (-0.05, 0.05)))
SEPARATION_M = 0.085
"""Between centres; room for open fingers between two cubes."""
YAW_RAD = 0.4
_START_NOISE_RAD = np.array([0.06, 0.06, 0.06, 0.0, 0.06, 0.06])
_OVER_TABLE_RAD = np.array([0.0, 0.15, 0.35, 0.0, 1.0, 0.0])
_SCATTER_RAD = np.array([0.15, 0.1, 0.1, 0.0, 0.2, 0.4])
_DRIFTED_RAD = np.array([[-0.24, -0.13, -0.5, -0.3, -0.6, -0.5], [0.24, 0.5, 0.28, 0.3, 0.6, 0.5]])
"""From the start pose, within what a policy can command (action_normalization of aloha.yaml)."""
LIFTED_M = 0.05
"""A cube counts as lifted from this rise of its centre on."""
FROM_THE_SIDE = 0.7
"""Largest part of a hand's direction that is down where it holds from the side."""


class _Cubes:
    """What both tasks share: only sentences and success differ."""

    name: str
    time_limit_s: float
    wording: Wording
    colours = COLOURS
    handed: bool

    def __init__(self, embodiment: Embodiment) -> None:
        self._embodiment = embodiment

    def sample(self, seed: int, shift: Shift = Shift.NONE) -> Scene:
        """Cubes between both arms, which stand near ALOHA's start pose."""
        check_shift(seed, shift)
        rng = np.random.default_rng(seed)
        colours = [str(colour) for colour in rng.permutation(list(COLOURS))]
        colours = colours[: rng.integers(2, len(COLOURS) + 1)]
        side = SIDES[rng.integers(len(SIDES))]
        if shift is Shift.COLOUR:
            unseen = UNSEEN_COLOUR[side]
            colours = [unseen, *(colour for colour in colours if colour != unseen)]
        elif colours[0] == UNSEEN_COLOUR[side]:
            colours = [*colours[1:], colours[0]]
        areas_m = [AREA_M] * len(colours)
        if shift is Shift.POSITION:
            areas_m[0] = UNSEEN_AREAS_M[rng.integers(len(UNSEEN_AREAS_M))]
        centres = _draw_apart(rng, areas_m)
        half_m = UNSEEN_CUBE_HALF_M if shift is Shift.INSTANCE else CUBE_HALF_M
        bodies = list(half_m)[: len(colours)]
        surroundings, light = background(seed, shift)
        template = self.wording.choose(seed, shift)
        named = [(colours[0], side)]
        named += [
            (colour, arm)
            for colour, arm in product(colours, SIDES)
            if (colour, arm) != named[0] and UNSEEN_COLOUR[arm] != colour
        ]
        return Scene(
            seed=seed,
            shift=shift,
            instructions=tuple(template.format(colour=colour, arm=arm) for colour, arm in named),
            names={body: f"{c} cube" for body, c in zip(bodies, colours, strict=True)},
            positions_D=np.concatenate([_start(rng) for _ in SIDES]),
            objects={
                body: (*place, half_m[body], rng.uniform(-YAW_RAD, YAW_RAD))
                for body, place in zip(bodies, centres, strict=True)
            },
            colours=surroundings
            | {body: COLOURS[colour] for body, colour in zip(bodies, colours, strict=True)},
            light=light,
        )

    def scatter(self, scene: Scene, rng: np.random.Generator) -> Scene:
        """Arms between the start pose and the table, one of them farther in; any opening.

        Or around the start pose, every joint by itself: where an arm that is not needed drifts to.
        """
        bold = SIDES[rng.integers(len(SIDES))]
        positions = []
        for side in SIDES:
            joints = START_RAD + rng.uniform(0.0, 1.0) * (_OVER_TABLE_RAD - START_RAD)
            joints = joints + rng.uniform(-1.0, 1.0, 6) * _SCATTER_RAD
            if rng.random() < 0.5:
                joints = START_RAD + rng.uniform(*_DRIFTED_RAD)
            elif side == bold:
                joints[0] -= np.copysign(rng.uniform(0.0, 0.7), BASES_M[side][1])
            positions.append(np.append(joints, rng.uniform(*VX300S.finger_limits_m)))
        return replace(scene, positions_D=np.concatenate(positions))

    def judge(self, world: World, scene: Scene) -> Outcome:
        """Success is the named cube in the air, held by the named arm alone, and no other lifted.

        One that was handed over is held from the side: nothing that stands on the table can be
        picked up that way.
        """
        risen = [
            cube
            for cube in scene.names
            if world.body_position(cube)[2] > scene.objects[cube][2] + LIFTED_M
        ]
        done = None
        if len(risen) == 1:
            touching = world.touching(risen[0])
            fingers = {side: touching & set(ARMS[side].fingers) for side in SIDES}
            held = {(risen[0], side) for side in SIDES if len(fingers[side]) == 2}
            if any(not fingers[side] for side in SIDES):
                requests = {i: self.request(scene, i) for i in scene.instructions}
                done = next((i for i, r in requests.items() if (r.cube, r.side) in held), None)
        if done is not None and self.handed:
            down = -world.body_rotation(ARMS[self.request(scene, done).side].hand)[2, 0]
            done = done if down < FROM_THE_SIDE else None
        return Outcome(success=done == scene.instruction, done=done)

    def expert(self, world: World, scene: Scene) -> AlohaExpert:
        """The scripted expert for this task."""
        return AlohaExpert(self._embodiment, world, scene, self.request)

    def target(self, scene: Scene, instruction: str) -> str:
        """The cube that an instruction names."""
        return self.request(scene, instruction).cube

    def request(self, scene: Scene, instruction: str) -> Request:
        """What an instruction asks for.

        Raises:
            InstructionError: nothing that there is here.
        """
        words = self.wording.read(instruction)
        if words["arm"] not in SIDES:
            raise InstructionError(f"'{instruction}': there is no {words['arm']} arm")
        cube = scene.body_named(f"{words['colour']} cube")
        return Request(cube=cube, side=words["arm"], handed=self.handed)


def _start(rng: np.random.Generator) -> np.ndarray:
    """One arm [7] near ALOHA's start pose."""
    joints = START_RAD + rng.uniform(-1.0, 1.0, 6) * _START_NOISE_RAD
    return np.append(joints, START_FINGER_M)


def _draw_apart(rng: np.random.Generator, areas_m: list) -> np.ndarray:
    """A centre [2] in each of N areas [2, 2], no two of them too near to each other: [N, 2]."""
    lowest, highest = np.transpose(areas_m, (2, 0, 1))
    while True:
        centres = rng.uniform(lowest, highest)
        gaps = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
        if gaps[np.triu_indices(len(centres), 1)].min() >= SEPARATION_M:
            return centres


class PickUpCube(_Cubes):
    """One arm lifts one cube."""

    name = "pick_up_cube"
    time_limit_s = 12.0
    handed = False
    wording = Wording(
        trained=(
            "pick up the {colour} cube with the {arm} arm",
            "use the {arm} arm to pick up the {colour} cube",
            "lift the {colour} cube with the {arm} arm",
            "use the {arm} arm and lift the {colour} cube",
        ),
        unseen=(
            "with the {arm} arm pick up the {colour} cube",
            "pick the {colour} cube up with the {arm} arm",
        ),
    )


class HandOverCube(_Cubes):
    """One arm picks a cube up, the other takes it from its hand."""

    name = "hand_over_cube"
    time_limit_s = 20.0
    handed = True
    wording = Wording(
        trained=(
            "hand the {colour} cube to the {arm} arm",
            "hand the {arm} arm the {colour} cube",
        ),
        unseen=(
            "hand over the {colour} cube to the {arm} arm",
            "pick up the {colour} cube and hand it to the {arm} arm",
        ),
    )
