"""What is reinforced, and by how much trying: one YAML file, checked strictly."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from qwen_vla_core.yaml_file import Strict, WrongKey, read_yaml
from qwen_vla_core.yaml_file.kinds import REINFORCEMENT

FIRST_SEED = 50_000
"""Of the scenes that are tried; recordings have lower ones."""
COMPARED_FROM = 80_000
"""Of the scenes in which a round is compared with the one before it. They are not those of
`qwen-vla evaluate`, because they decide which round counts."""


class Practice(Strict):
    """A task that is tried."""

    embodiment: Path
    task: str

    @property
    def name(self) -> str:
        """Of its folders and rows."""
        return f"{self.embodiment.stem}_{self.task}"


class Reinforcement(Strict):
    """Rounds of trying, learning and comparing. Relative paths count from the working folder.

    Attributes:
        recipe: how each round learns: from where the first one starts (``start_from``), and from
            which recordings beside its own successes, so that nothing else is forgotten.
        tasks: what is tried and compared.
        diverse: whether scenes look as those of `qwen-vla generate --diverse`. Scenes that look as
            usual may hold no failure to learn from.
        rounds, scenes, tries: each round tries that many scenes of each task so many times.
        weight: of each task's own successes in the mixture, as for its other sources.
        compared: scenes of each task in which what a round made is compared.
        harm: a round does not count, and is the last one, where a task lost more scenes than it
            won and chance would do that with less than this probability.
    """

    recipe: Path
    tasks: Annotated[tuple[Practice, ...], Field(min_length=1)]
    diverse: bool = False
    rounds: PositiveInt = 3
    scenes: PositiveInt = 100
    tries: Annotated[int, Field(ge=2)] = 4
    weight: PositiveFloat = 1.0
    compared: Annotated[int, Field(ge=1, le=10_000)] = 100
    harm: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.05

    @model_validator(mode="after")
    def _each_task_once(self) -> "Reinforcement":
        names = [practice.name for practice in self.tasks]
        for name in names:
            if names.count(name) > 1:
                raise WrongKey("tasks", f"{name} stands there twice")
        return self

    @model_validator(mode="after")
    def _scenes_are_new(self) -> "Reinforcement":
        if FIRST_SEED + self.rounds * self.scenes > COMPARED_FROM:
            raise WrongKey(
                "scenes", f"at most {COMPARED_FROM - FIRST_SEED} in all rounds together"
            )
        return self

    def seeds(self, number: int) -> range:
        """Of the scenes that are tried in a round; 0 has those that are compared."""
        if not number:
            return range(COMPARED_FROM, COMPARED_FROM + self.compared)
        first = FIRST_SEED + (number - 1) * self.scenes
        return range(first, first + self.scenes)


def load_reinforcement(path: Path) -> Reinforcement:
    """Read a plan.

    Raises:
        YamlFileError: with file, line and key of everything that is wrong.
    """
    return read_yaml(path).check(Reinforcement, REINFORCEMENT)


def describe_reinforcement(plan: Reinforcement, origin: str) -> list[str]:
    """A plan in lines for a person."""
    tried = plan.rounds * plan.scenes * plan.tries * len(plan.tasks)
    compared = (plan.rounds + 1) * plan.compared * len(plan.tasks)
    return [
        f"{origin}: a reinforcement is valid",
        "",
        f"{plan.rounds} rounds of {plan.scenes} scenes, {plan.tries} tries each, of "
        f"{', '.join(practice.name for practice in plan.tasks)}",
        f"{tried} episodes are tried and {compared} compared; each round learns by {plan.recipe}",
    ]
