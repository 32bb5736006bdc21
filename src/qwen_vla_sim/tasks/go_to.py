"""Two tasks of a mobile base: "go to the red pillar", and "go to the ball left of the box".

In the first, something else has the same colour or is of the same kind, so that both words are
needed; in the second there are two of a kind. Everything that an instruction can name is in sight
at the start: the policy has no other way to find it. Left and right are as seen from there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from qwen_vla_core.embodiment import Embodiment

from ..worlds.mobile_base_mjcf import RADIUS_M, SHAPES, body_name
from ..worlds.world import Colour, World
from .driving import base_pose, drive, polar, stands
from .shifts import Shift, background, check_shift
from .task import Outcome, Scene
from .wording import Wording

COLOURS: Mapping[str, Colour] = {
    "red": (0.85, 0.10, 0.08, 1.0),
    "green": (0.10, 0.60, 0.15, 1.0),
    "blue": (0.10, 0.22, 0.85, 1.0),
    "yellow": (0.92, 0.80, 0.10, 1.0),
}
KINDS = tuple(SHAPES)
UNSEEN_COLOUR = dict(zip(KINDS, ("yellow", "blue", "green", "red"), strict=True))
"""Kind -> the colour that it never has in training, though others have it."""
TRAINED = tuple(
    (colour, kind) for kind in KINDS for colour in COLOURS if colour != UNSEEN_COLOUR[kind]
)

STOP_M = 0.75
"""Where the expert stops, from centre to centre."""
ARRIVED_M, FACING_RAD = 0.95, 0.35
"""Success is to stand this near to the thing and to look at it."""
IN_SIGHT_RAD = 0.65
"""To each side; the edge of the image is at 0.70."""

_DISTANCE_M, _UNSEEN_DISTANCE_M = (1.3, 2.4), (2.6, 3.1)
_BEARING_RAD = 0.5
_ANGLE_BETWEEN_RAD, _BETWEEN_M = 0.27, 1.15
"""Nothing hides anything else, and the base fits between any two."""
_DRAWS = 256
_START_M, _START_YAW_RAD = ((-2.4, -1.6), (-0.8, 0.8)), 0.3
_SCATTER_M, _SCATTER_RAD, _SCATTER_TURN_RAD = (0.6, 2.2), 0.5, 0.5


@dataclass(frozen=True, kw_only=True)
class Thing:
    """What stands about; ``slots`` fill the sentence that asks for it, if any can."""

    colour: str
    kind: str
    slots: Mapping[str, str] | None


class _Going:
    """What both tasks share: they differ in the things and in what is said of them."""

    name: str
    wording: Wording
    called: str
    """What a sentence calls the thing, with the slots of the wording."""
    time_limit_s = 20.0
    colours = COLOURS

    def __init__(self, embodiment: Embodiment) -> None:
        self._joints = len(embodiment.joint_names)
        self._step_s = embodiment.action_step_s

    def things(self, rng: np.random.Generator, shift: Shift) -> list[Thing]:
        """What stands about, the thing to go to first."""
        raise NotImplementedError

    def arrange(
        self, things: list[Thing], places: list[tuple[float, float]]
    ) -> list[tuple[float, float]]:
        """Places, distance m and bearing rad from the base, in the order of the things."""
        return places

    def sample(self, seed: int, shift: Shift = Shift.NONE) -> Scene:
        """Two or three things in sight of the base.

        Raises:
            ValueError: a shift of a training seed.
        """
        check_shift(seed, shift)
        things = self.things(np.random.default_rng(seed), shift)
        rng = np.random.default_rng([seed, 1])
        x, y = rng.uniform(*np.transpose(_START_M))
        yaw = rng.uniform(-_START_YAW_RAD, _START_YAW_RAD)
        far = _UNSEEN_DISTANCE_M if shift is Shift.POSITION else _DISTANCE_M
        shape = "unseen" if shift is Shift.INSTANCE else "usual"
        colours, light = background(seed, shift)
        objects, named = {}, {}
        places = self.arrange(things, _scatter(rng, len(things), far))
        for copy, (thing, (distance_m, bearing)) in enumerate(zip(things, places, strict=True)):
            body = body_name(thing.kind, shape, copy)
            objects[body] = (
                x + distance_m * np.cos(yaw + bearing),
                y + distance_m * np.sin(yaw + bearing),
                0.0,
                rng.uniform(-np.pi, np.pi),
            )
            colours[body] = COLOURS[thing.colour]
            if thing.slots is not None:
                named[body] = thing.slots
        template = self.wording.choose(seed, shift)
        return Scene(
            seed=seed,
            shift=shift,
            instructions=tuple(template.format(**words) for words in named.values()),
            names={body: self.called.format(**words) for body, words in named.items()},
            positions_D=np.zeros(self._joints),
            objects=objects,
            colours=colours,
            light=light,
            base_pose=(x, y, yaw),
        )

    def scatter(self, scene: Scene, rng: np.random.Generator) -> Scene:
        """The base somewhere on its way to one of the things, and not quite heading for it."""
        places = np.array([place[:2] for place in scene.objects.values()])
        while True:
            place = places[rng.integers(len(places))]
            back = np.subtract(scene.base_pose[:2], place)
            angle = np.arctan2(back[1], back[0]) + rng.uniform(-_SCATTER_RAD, _SCATTER_RAD)
            stand = place + rng.uniform(*_SCATTER_M) * np.array([np.cos(angle), np.sin(angle)])
            if np.linalg.norm(places - stand, axis=1).min() >= _SCATTER_M[0]:
                yaw = angle + np.pi + rng.uniform(-_SCATTER_TURN_RAD, _SCATTER_TURN_RAD)
                return replace(scene, base_pose=(*stand, yaw))

    def judge(self, world: World, scene: Scene) -> Outcome:
        """Success is to stand before the named thing, looking at it."""
        pose, there = base_pose(world), None
        for body, instruction in zip(scene.names, scene.instructions, strict=True):
            distance_m, bearing = polar(pose, world.body_position(body)[:2])
            if distance_m < ARRIVED_M and abs(bearing) < FACING_RAD:
                there = instruction
        done = there if stands(world) else None
        return Outcome(success=done == scene.instruction, done=done)

    def expert(self, world: World, scene: Scene) -> "GoingExpert":
        """The scripted expert for this task."""
        return GoingExpert(self, world, scene, self._step_s)

    def target(self, scene: Scene, instruction: str) -> str:
        """The body that an instruction names.

        Raises:
            InstructionError: it names none that is here.
        """
        return scene.body_named(self.called.format(**self.wording.read(instruction)))


class GoTo(_Going):
    """ "Go to the red pillar"."""

    name = "go_to"
    called = "{colour} {kind}"
    wording = Wording(
        trained=(
            "go to the {colour} {kind}",
            "drive to the {colour} {kind}",
            "move to the {colour} {kind}",
        ),
        unseen=("drive on to the {colour} {kind}", "move on to the {colour} {kind}"),
    )

    def things(self, rng: np.random.Generator, shift: Shift) -> list[Thing]:
        """The one named, one that shares its kind or its colour, and sometimes any third."""
        target = TRAINED[rng.integers(len(TRAINED))]
        shared = rng.integers(2)
        alike = [pair for pair in TRAINED if pair != target and pair[shared] == target[shared]]
        pairs = [target, alike[rng.integers(len(alike))]]
        others = [pair for pair in TRAINED if pair not in pairs]
        pairs.append(others[rng.integers(len(others))])
        if rng.random() < 0.3:
            pairs.pop()
        if shift is Shift.COLOUR:
            pairs[0] = (UNSEEN_COLOUR[target[1]], target[1])
        return [
            Thing(colour=colour, kind=kind, slots={"colour": colour, "kind": kind})
            for colour, kind in pairs
        ]


class GoToSide(_Going):
    """ "Go to the ball left of the box"."""

    name = "go_to_side"
    called = "{kind} {side} of the {landmark}"
    wording = Wording(
        trained=(
            "go to the {kind} {side} of the {landmark}",
            "drive to the {kind} on the {side} of the {landmark}",
        ),
        unseen=(
            "move to the {kind} on the {side} of the {landmark}",
            "go on to the {kind} {side} of the {landmark}",
        ),
    )

    def things(self, rng: np.random.Generator, shift: Shift) -> list[Thing]:
        """Two of a kind and a landmark of another."""
        kind, landmark = rng.permutation(KINDS)[:2]
        colours = {
            each: [colour for colour, of in TRAINED if of == each] for each in (kind, landmark)
        }
        sides = rng.permutation(["left", "right"])
        pair = [str(rng.choice(colours[kind])) for _ in sides]
        if shift is Shift.COLOUR:
            pair = [UNSEEN_COLOUR[kind] for _ in sides]
        return [
            *(
                Thing(
                    colour=colour,
                    kind=str(kind),
                    slots={"kind": str(kind), "side": str(side), "landmark": str(landmark)},
                )
                for colour, side in zip(pair, sides, strict=True)
            ),
            Thing(colour=str(rng.choice(colours[landmark])), kind=str(landmark), slots=None),
        ]

    def arrange(
        self, things: list[Thing], places: list[tuple[float, float]]
    ) -> list[tuple[float, float]]:
        """The landmark between the two, in their bearing from the base."""
        right, middle, left = sorted(places, key=lambda place: place[1])
        at = {"left": left, "right": right}
        return [at[thing.slots["side"]] if thing.slots else middle for thing in things]


class GoingExpert:
    """Drives straight there and stops, around whatever else stands about."""

    def __init__(self, task: _Going, world: World, scene: Scene, step_s: float) -> None:
        self._task, self._world, self._scene, self._step_s = task, world, scene, step_s

    def plan(self, commanded_D: np.ndarray, instruction: str, steps: int) -> np.ndarray:
        """Waypoints [steps, 3]: dx, dy m and dyaw rad along the axes of the base now."""
        target = self._task.target(self._scene, instruction)
        start = base_pose(self._world)
        poses = [start]
        for _ in range(steps):
            poses.append(
                drive(
                    poses[-1],
                    self._world.body_position(target)[:2],
                    stop_m=STOP_M,
                    obstacles=[
                        (x, y, RADIUS_M[body.partition("_")[0]])
                        for body, (x, y, _, _) in self._scene.objects.items()
                        if body != target
                    ],
                    duration_s=self._step_s,
                )
            )
        ways = np.diff(poses, axis=0)
        cos, sin = np.cos(start[2]), np.sin(start[2])
        ways[:, :2] = ways[:, :2] @ np.array([[cos, -sin], [sin, cos]])
        return ways

    def feasible(self, instruction: str) -> bool:
        """Whether the goal of the instruction is in sight."""
        target = self._world.body_position(self._task.target(self._scene, instruction))
        return abs(polar(base_pose(self._world), target[:2])[1]) < IN_SIGHT_RAD


def _scatter(
    rng: np.random.Generator, count: int, distance_m: tuple[float, float]
) -> list[tuple[float, float]]:
    """Distance and bearing of things that stand apart, to the eye and for a base."""
    while True:
        # Few draws stand apart, so many are made at once.
        distances_BN = rng.uniform(*distance_m, (_DRAWS, count))
        bearings_BN = rng.uniform(-_BEARING_RAD, _BEARING_RAD, (_DRAWS, count))
        places_BN = distances_BN * np.exp(1j * bearings_BN)
        apart_B = np.ones(_DRAWS, dtype=bool)
        for a, b in combinations(range(count), 2):
            apart_B &= np.abs(bearings_BN[:, a] - bearings_BN[:, b]) >= _ANGLE_BETWEEN_RAD
            apart_B &= np.abs(places_BN[:, a] - places_BN[:, b]) >= _BETWEEN_M
        if apart_B.any():
            first = int(np.argmax(apart_B))
            return list(
                zip(distances_BN[first].tolist(), bearings_BN[first].tolist(), strict=True)
            )
