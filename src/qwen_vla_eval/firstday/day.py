"""The steps of the day in their order, each with the commands that a person types for it.

A step that is done stays done: ``day.json`` in the day's folder says so, and the same command goes
on with the next one. Commands of `qwen-vla` run as they are printed, each as a process of its own.
What `ros2 launch` starts is started here from the same description of the nodes.
"""

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from qwen_vla_core.child_process import die_with_parent, end_by_interrupt
from qwen_vla_core.embodiment import Embodiment, load_embodiment
from qwen_vla_core.errors import EmbodimentError, QwenVlaError
from qwen_vla_core.interrupts import interrupts_held_back
from qwen_vla_core.whole_file import write_text_whole

from ..tables import write_json

STATE = "day.json"
STOP_S = 2.0
"""A command that is interrupted may take so long to end by itself, s."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is done.

    Attributes:
        demonstrations: teleoperated episodes, of which ``held_out`` only validate.
        train_minutes: the longest a training may take, each of two.
        autonomous: episodes of the policy, in which the person intervenes.
        evaluated: episodes of each measured success rate.
    """

    demonstrations: int
    held_out: int
    train_minutes: float
    autonomous: int
    evaluated: int


TEST = Size(demonstrations=3, held_out=1, train_minutes=0.5, autonomous=2, evaluated=4)
FULL = Size(demonstrations=50, held_out=5, train_minutes=60.0, autonomous=30, evaluated=100)


@dataclass(frozen=True, kw_only=True)
class Day:
    """Whose day, and where.

    Attributes:
        path: the robot's YAML file; robot: what it says.
        task: one of the simulator's; name: the robot, as a person types it.
        instruction: all that is asked for in it; None for whatever the scenes ask.
        out: the day's folder.
    """

    path: Path
    robot: Embodiment
    name: str
    task: str
    instruction: str | None
    size: Size
    out: Path

    @property
    def demonstrations(self) -> Path:
        """Folder of the teleoperated episodes."""
        return self.out / "demonstrations"

    @property
    def interventions(self) -> Path:
        """Folder of the policy's episodes, with what the person did when it failed."""
        return self.out / "interventions"

    def checkpoint(self, training: str) -> Path:
        """What a training made: "fine_tune" or "retrain"."""
        return self.out / training / "checkpoint"


@dataclass(frozen=True, kw_only=True)
class Step:
    """A part of the day.

    Attributes:
        name: in day.json.
        commands: what a person types for it, in order.
        run: does it; gets the day and the step, and returns its closing line.
    """

    name: str
    what: str
    commands: tuple[str, ...]
    run: Callable[[Day, "Step"], str]


def make_day(
    path: Path,
    name: str,
    task: str | None,
    full: bool,
    out: Path | None,
    instruction: str | None = None,
) -> Day:
    """What the command's arguments say.

    Args:
        task: the robot's last one if it is None, which the shipped weights do not know.
        out: runs/firstday/<robot> if it is None.
        instruction: if it is None, in a full day what the task's first scene asks for, as a lab
            begins with one thing; in a short one whatever the scenes ask.
    Raises:
        EmbodimentError: the robot has no simulated world, or no such task, or no teleop section.
        InstructionError: no scene asks for the instruction.
    """
    from qwen_vla_sim.registry import find_tasks
    from qwen_vla_sim.tasks.asking import scenes_asking

    robot = load_embodiment(path)
    chosen = find_tasks(robot, task)[-1]
    if instruction is not None:
        # Refused here, not in the middle of the day.
        next(scenes_asking((chosen,), instruction, 0))
    elif full:
        instruction = chosen.sample(0).instruction
    if robot.teleop is None:
        raise EmbodimentError(f"{path}: no teleop section: nobody can show {robot.name} anything")
    return Day(
        path=path,
        robot=robot,
        name=name,
        task=chosen.name,
        instruction=instruction,
        size=FULL if full else TEST,
        out=out or Path("runs/firstday") / robot.name,
    )


def run_day(day: Day, steps: Sequence[Step]) -> dict[str, str]:
    """Do what is not done yet; returns the closing line of every step.

    Raises:
        QwenVlaError: a step failed; it says which, and what to do. Or the folder is another day's.
        KeyboardInterrupt: as it came, saying how to go on.
    """
    closed = _done_before(day)
    for number, step in enumerate(steps, 1):
        print(f"\n{number} of {len(steps)}: {step.what}", flush=True)
        if step.name in closed:
            print(f"   done before: {closed[step.name]}")
            continue
        for command in step.commands:
            print(f"   $ {command}", flush=True)
        begin_s = time.monotonic()
        try:
            closing = step.run(day, step)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"'{step.name}' is not finished; the same command goes on with it"
            ) from None
        except QwenVlaError as error:
            raise QwenVlaError(
                f"'{step.name}' failed: {error}\n"
                f"what was done before is in {day.out}; the same command tries this step again"
            ) from error
        closed[step.name] = f"{closing} ({(time.monotonic() - begin_s) / 60:.1f} minutes)"
        write_json(day.out / STATE, {"day": _identity(day), "done": closed})
        print(f"   {closed[step.name]}", flush=True)
    return closed


def run_commands(day: Day, step: Step, allowed: Sequence[int] = (0,)) -> int:
    """Run a step's `qwen-vla` commands in their order; returns the last exit status.

    Raises:
        QwenVlaError: one ended with another status than those that are allowed.
    """
    status = 0
    for command in step.commands:
        program, *words = shlex.split(command)
        if program != "qwen-vla":
            continue
        status = _run_command(words)
        if status not in allowed:
            raise QwenVlaError(f"`{command}` ended with status {status}; its reason is above")
    return status


def _run_command(words: Sequence[str]) -> int:
    """A command of ours as a process, which ends with us; its output is ours."""
    with interrupts_held_back():
        process = subprocess.Popen(
            [sys.executable, "-m", "qwen_vla_cli.main", *words],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches us alone, and we end it
            preexec_fn=die_with_parent,
        )
    try:
        return process.wait()
    finally:
        end_by_interrupt(process, STOP_S)


def write_recipe(day: Day, name: str, sources: Sequence[dict], start_from: Path | None) -> None:
    """The shipped recipe for recordings with this day's episodes, as ``<name>.yaml``.

    Args:
        sources: of its mixture, without the robot.
        start_from: a checkpoint; None for the shipped one.
    """
    import yaml

    from qwen_vla_core.resources import SHIPPED_CHECKPOINT, share_directory

    shipped = share_directory() / "config" / "recipes" / "finetune_recordings.yaml"
    recipe = yaml.safe_load(shipped.read_text())
    robot = str(day.path)
    recipe["mixture"] = [{"embodiment": robot, **source} for source in sources]
    recipe["out"] = str(day.out / name)
    recipe["start_from"] = str(start_from or SHIPPED_CHECKPOINT)
    recipe["validation_episodes"] = day.size.held_out
    recipe["max_minutes"] = day.size.train_minutes
    recipe["validate_every_minutes"] = min(
        recipe["validate_every_minutes"], day.size.train_minutes / 3
    )
    text = f"# {shipped.name}, as qwen-vla firstday changed it.\n"
    write_text_whole(day.out / f"{name}.yaml", text + yaml.safe_dump(recipe, sort_keys=False))


def _identity(day: Day) -> dict:
    of = {"embodiment": day.robot.name, "task": day.task}
    return of | asdict(day.size) | {"instruction": day.instruction}


def _done_before(day: Day) -> dict[str, str]:
    """Closing lines of the steps that are done.

    Raises:
        QwenVlaError: the folder is of another robot, task or size.
    """
    path = day.out / STATE
    if not path.exists():
        write_json(path, {"day": _identity(day), "done": {}})  # says here that it cannot be
        return {}
    try:
        state = json.loads(path.read_text())
        before, done = dict(state["day"]), dict(state["done"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise QwenVlaError(f"{path} cannot be read: {error!r}; name another --out") from error
    for key, value in _identity(day).items():
        if before.get(key) != value:
            raise QwenVlaError(
                f"{day.out} is a day with {key} {before.get(key)}, not {value}; name another "
                "--out, or remove the folder"
            )
    return done
