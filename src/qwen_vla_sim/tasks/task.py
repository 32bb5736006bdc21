"""What a task is: scenes by seed, instructions, a success test, and an expert that can do it.

Language matters in every task: what has to be done depends on the sentence, and the same scene
has other sentences (``instructions``) with other right actions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from qwen_vla_core.errors import InstructionError

from ..worlds.world import CameraError, Colour, Placement, World
from .shifts import Shift
from .wording import Wording


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One start of an episode.

    Attributes:
        instructions: all that fit this scene, each one sentence; the first is the episode's.
        names: body -> what a sentence calls it, for every object that a sentence can name.
        positions_D, objects, colours, light, base_pose, cameras: what ``World.reset`` takes.
    """

    seed: int
    shift: Shift
    instructions: tuple[str, ...]
    names: Mapping[str, str]
    positions_D: np.ndarray
    objects: Mapping[str, Placement]
    colours: Mapping[str, Colour] = field(default_factory=dict)
    light: float = 1.0
    base_pose: tuple[float, float, float] = (0.0, 0.0, 0.0)
    cameras: Mapping[str, CameraError] = field(default_factory=dict)

    @property
    def instruction(self) -> str:
        """The instruction of the episode."""
        return self.instructions[0]

    def body_named(self, name: str) -> str:
        """The object that a sentence calls by ``name``.

        Raises:
            InstructionError: there is none.
        """
        for body, called in self.names.items():
            if called == name:
                return body
        raise InstructionError(f"there is no {name} here, only {', '.join(self.names.values())}")

    def lay_out(self, world: World) -> None:
        """Bring the world into this state."""
        world.reset(
            self.positions_D,
            self.objects,
            colours=self.colours,
            light=self.light,
            base_pose=self.base_pose,
            cameras=self.cameras,
        )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Result of an episode so far.

    Attributes:
        success: the goal of the instruction holds now.
        done: the instruction that was carried out, the given one or another of the scene, if any.
    """

    success: bool
    done: str | None


class Expert(Protocol):
    """A scripted expert; it reads the state of the world, which no policy sees."""

    def plan(self, commanded_D: np.ndarray, instruction: str, steps: int) -> np.ndarray:
        """The next actions [steps, C], native units, towards the goal of an instruction.

        A function of the world and the command now, so that a policy without memory can imitate
        it.

        Raises:
            InstructionError: it does not ask for anything in this scene.
        """

    def feasible(self, instruction: str) -> bool:
        """Whether a plan from here is worth learning.

        It is not while the robot is busy with another instruction.
        """


class Task(Protocol):
    """A family of scenes and sentences for one kind of robot.

    Attributes:
        colours: all that its things have, whatever is shifted, by their words.
    """

    name: str
    time_limit_s: float
    wording: Wording
    colours: Mapping[str, Colour]

    def sample(self, seed: int, shift: Shift = Shift.NONE) -> Scene:
        """The scene of a seed. Needs no world; the same seed gives the same scene.

        Raises:
            ValueError: a shift of a training seed.
        """

    def scatter(self, scene: Scene, rng: np.random.Generator) -> Scene:
        """The scene with the robot where it may get but does not usually start.

        For recordings, which show the way back.
        """

    def judge(self, world: World, scene: Scene) -> Outcome:
        """The result so far."""

    def expert(self, world: World, scene: Scene) -> Expert:
        """The scripted expert for this task."""

    def target(self, scene: Scene, instruction: str) -> str:
        """The body that an instruction names: what spatial grounding asks for."""
