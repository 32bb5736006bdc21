"""What a report measures: one YAML file, checked strictly."""

from itertools import product
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from qwen_vla_core.yaml_file import Strict, WrongKey, read_yaml
from qwen_vla_core.yaml_file.kinds import PLAN

IN_DISTRIBUTION = "in_distribution"
Sentence = Literal["right", "wrong", "none"]
SENTENCES = {"right": "right sentence", "wrong": "wrong sentence", "none": "no sentence"}
"""What tables say about the sentence that describes the embodiment."""
SHIPPED = "shipped"
"""In place of a folder: the checkpoint that comes with the package for the robot."""
Fraction = Annotated[float, Field(gt=0.0, le=1.0)]


class Robot(Strict):
    """The tasks of one robot."""

    tasks: Annotated[tuple[str, ...], Field(min_length=1)]
    wrong_sentence: str
    """The robot whose embodiment sentence is used as the wrong one."""


class Variant(Strict):
    """One column of a section."""

    checkpoint: str
    shift: str = IN_DISTRIBUTION
    sentence: Sentence = "right"
    ros: bool = False


class Section(Strict):
    """One comparison: every robot and task, under every combination of what is listed."""

    title: str
    checkpoints: Annotated[tuple[str, ...], Field(min_length=1)]
    shifts: Annotated[tuple[str, ...], Field(min_length=1)] = (IN_DISTRIBUTION,)
    sentences: Annotated[tuple[Sentence, ...], Field(min_length=1)] = ("right",)
    ros: Annotated[tuple[bool, ...], Field(min_length=1)] = (False,)

    @property
    def variants(self) -> dict[Variant, str]:
        """Every combination, and what to call it beside the others."""
        named = {}
        for label, shift, sentence, ros in product(
            self.checkpoints, self.shifts, self.sentences, self.ros
        ):
            words = [
                *([label] if len(self.checkpoints) > 1 else []),
                *([shift.replace("_", " ")] if len(self.shifts) > 1 else []),
                *([SENTENCES[sentence]] if len(self.sentences) > 1 else []),
                *(["through ROS" if ros else "directly"] if len(self.ros) > 1 else []),
            ]
            variant = Variant(checkpoint=label, shift=shift, sentence=sentence, ros=ros)
            named[variant] = ", ".join(words) or label
        return named

    @model_validator(mode="after")
    def _ros_uses_own_prompt(self) -> "Section":
        if True in self.ros and self.sentences != ("right",):
            raise WrongKey("sentences", "through ROS the sentence is always the right one")
        return self


class Bars(Strict):
    """What one checkpoint has to reach; a bar that is left out is none.

    Attributes:
        checkpoint: its label.
        at_least: robot -> task -> success rate in distribution.
        mean_out_of_distribution: over all robots, tasks and shifts that were measured.
        as_good_as: label of those that it is compared to, robot by robot and task by task.
        largest_mb: size of its files, 10^6 bytes.
    """

    checkpoint: str
    at_least: dict[str, dict[str, Fraction]] = {}
    mean_out_of_distribution: Fraction | None = None
    as_good_as: str | None = None
    largest_mb: PositiveFloat | None = None


class Plan(Strict):
    """Relative paths count from the working folder.

    Attributes:
        episodes: of each cell, from ``seed`` on.
        scenes: on how many it is measured whether the policy looks at what is named.
        checkpoints: label -> folder, or robot -> folder where each robot has its own; a folder may
            be ``shipped``. Figures are of the first.
    """

    episodes: PositiveInt = 50
    seed: NonNegativeInt = 0
    scenes: Annotated[int, Field(ge=2)] = 20
    checkpoints: Annotated[dict[str, str | dict[str, str]], Field(min_length=1)]
    robots: Annotated[dict[str, Robot], Field(min_length=1)]
    sections: Annotated[tuple[Section, ...], Field(min_length=1)]
    bars: Bars | None = None

    @model_validator(mode="after")
    def _known(self) -> "Plan":
        used = {label for section in self.sections for label in section.checkpoints}
        if self.bars is not None:
            used |= {self.bars.checkpoint} | {self.bars.as_good_as} - {None}
            for robot, tasks in self.bars.at_least.items():
                known = self.robots[robot].tasks if robot in self.robots else ()
                if missing := sorted(set(tasks) - set(known)):
                    raise WrongKey(
                        ("bars", "at_least", robot), f"{', '.join(missing)}: not among the robots"
                    )
        if missing := sorted(used - set(self.checkpoints)):
            raise WrongKey("checkpoints", f"there is none called {', '.join(missing)}")
        shown = Variant(checkpoint=next(iter(self.checkpoints)))
        if all(shown not in section.variants for section in self.sections):
            raise WrongKey("sections", f"none has '{shown.checkpoint}' in distribution, as it is")
        return self


def load_plan(path: Path) -> Plan:
    """Read a plan.

    Raises:
        YamlFileError: it cannot be read, or keys are unknown, missing or out of range.
    """
    return read_yaml(path).check(Plan, PLAN)


def describe_plan(plan: Plan, origin: str) -> list[str]:
    """A plan in lines for a person."""
    return [
        f"{origin}: a valid report plan",
        "",
        f"runs     {plan.episodes} episodes of each cell, seeds from {plan.seed} on",
        *(f"robot    {name}: {', '.join(robot.tasks)}" for name, robot in plan.robots.items()),
        *(f"weights  {label}: {folder}" for label, folder in plan.checkpoints.items()),
        *(f"section  {section.title}" for section in plan.sections),
    ]
