"""The cells of a report: what is measured once, in whatever sections it is shown."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from qwen_vla_core.embodiment import find_embodiment, load_embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.resources import SHIPPED_CHECKPOINT, embodiments_directory
from qwen_vla_model.origin import code_version

from ..runner import EvaluationCase
from ..tables import write_json
from .plan import SHIPPED, Plan, Robot, Variant


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One number of the report: a task of a robot under one variant.

    Attributes:
        robot: name of the embodiment.
        case: files of robot, checkpoint and sentence.
    """

    robot: str
    variant: Variant
    case: EvaluationCase

    @property
    def task(self) -> str:
        """Name of the task."""
        return self.case.task

    @property
    def key(self) -> str:
        """A hash of everything that decides an episode, beside its seed and this code."""
        from qwen_vla_model.trained_robots import checkpoint_digest

        case = self.case
        decides = [
            _digest(case.embodiment),
            case.task,
            self.variant.shift,
            checkpoint_digest(case.checkpoint),
            case.prompt_embodiment and _digest(case.prompt_embodiment),
            self.variant.ros,
        ]
        return hashlib.sha256(json.dumps(decides).encode()).hexdigest()

    @property
    def name(self) -> str:
        """For people, and unlike that of any other cell."""
        variant = self.variant
        words = [self.robot, self.task, variant.shift, variant.checkpoint, variant.sentence]
        return "-".join([*words, *(["ros"] if variant.ros else []), self.key[:8]])


def enumerate_cells(plan: Plan) -> dict[tuple[str, str, Variant], Cell]:
    """Every cell that a section shows, by robot, task and variant.

    Raises:
        QwenVlaError: a robot, task, shift or checkpoint does not exist, or a checkpoint was not
            trained for a robot; with its label.
    """
    variants = dict.fromkeys(v for section in plan.sections for v in section.variants)
    cells = {}
    _check_seeds(plan)
    for name, robot in plan.robots.items():
        _check(name, robot, variants)
        for task in robot.tasks:
            for variant in variants:
                cells[name, task, variant] = _cell(plan, name, robot, task, variant)
    return cells


def _cell(plan: Plan, name: str, robot: Robot, task: str, variant: Variant) -> Cell:
    folder = embodiments_directory()
    prompted = {"right": name, "wrong": robot.wrong_sentence, "none": None}[variant.sentence]
    return Cell(
        robot=name,
        variant=variant,
        case=EvaluationCase(
            embodiment=find_embodiment(name, folder),
            task=task,
            checkpoint=find_labelled(plan, variant.checkpoint, name),
            prompt_embodiment=prompted and find_embodiment(prompted, folder),
        ),
    )


def _check_seeds(plan: Plan) -> None:
    from qwen_vla_sim.tasks.shifts import FIRST_TRAINING_SEED

    last = plan.seed + max(plan.episodes, plan.scenes) - 1
    if last >= FIRST_TRAINING_SEED:
        raise QwenVlaError(f"seed: {last} is among those of training, {FIRST_TRAINING_SEED} on")


def _check(name: str, robot: Robot, variants: Mapping[Variant, str]) -> None:
    """Refuse what does not exist before anything runs."""
    from qwen_vla_sim.registry import find_tasks
    from qwen_vla_sim.tasks.shifts import Shift

    embodiment = load_embodiment(find_embodiment(name, embodiments_directory()))
    for task in robot.tasks:
        find_tasks(embodiment, task)
    shifts = [shift.value for shift in Shift]
    if unknown := {variant.shift for variant in variants} - set(shifts):
        raise QwenVlaError(f"shifts: {', '.join(sorted(unknown))}: there are {', '.join(shifts)}")


def find_labelled(plan: Plan, label: str, robot: str) -> Path:
    """The folder of a labelled checkpoint, fetched from the hub where it has to be.

    Raises:
        QwenVlaError: there is none; the message names the label.
    """
    from qwen_vla_model.hub import find_checkpoint
    from qwen_vla_model.trained_robots import load_action_space

    folder = plan.checkpoints[label]
    if not isinstance(folder, str):
        if robot not in folder:
            raise QwenVlaError(f"checkpoint '{label}': there is none for {robot} in the plan")
        folder = folder[robot]
    name = SHIPPED_CHECKPOINT if folder == SHIPPED else folder
    try:
        load_action_space(name, load_embodiment(find_embodiment(robot, embodiments_directory())))
        return find_checkpoint(name, weights=True)
    except QwenVlaError as error:
        raise QwenVlaError(f"checkpoint '{label}': {error}") from error


class Store:
    """Finished episodes on disk, a JSON file for each cell."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def load(self, cell: Cell) -> dict[int, dict[str, Any]]:
        """Seed -> episode, of those that were run already."""
        path = self._path(cell)
        if not path.is_file():
            return {}
        return {episode["seed"]: episode for episode in json.loads(path.read_text())["episodes"]}

    def save(self, cell: Cell, episodes: Mapping[int, dict[str, Any]]) -> None:
        """Keep them, whole or not at all."""
        path = self._path(cell)
        content = {
            "robot": cell.robot,
            "task": cell.task,
            **cell.variant.model_dump(),
            "key": cell.key,
            "code": code_version(),
            "episodes": [episodes[seed] for seed in sorted(episodes)],
        }
        write_json(path, content)

    def _path(self, cell: Cell) -> Path:
        return self._folder / f"{cell.name}.json"


@cache
def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
