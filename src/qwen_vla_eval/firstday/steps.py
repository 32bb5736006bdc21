"""What is done in each step of the day, and the commands for it."""

import itertools
import json
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from qwen_vla_core.errors import CheckpointError, QwenVlaError, RecordingError
from qwen_vla_core.resources import SHIPPED_CHECKPOINT, share_directory
from qwen_vla_data.recording import Outcome, open_recording, unfinished_in
from qwen_vla_model.trained_robots import load_instructions
from qwen_vla_model.training.saves import saved_progress
from qwen_vla_ros.bringup import describe_bringup, describe_recorder
from qwen_vla_ros.teleop.scripted_person import PLAN, ScriptedPerson
from qwen_vla_sim.registry import find_tasks
from qwen_vla_sim.tasks.asking import scenes_asking

from ..rates import wilson_interval
from ..simulated_robot import SimulatedRobot, isolated_environment
from ..status_line import StatusLine
from ..tables import write_json
from .day import Day, Step, run_commands, write_recipe

DEMONSTRATED, ATTEMPTED = 30_000, 40_000
"""First seeds of the scenes in which the person shows something, and in which the policy tries.
Those below 10000 are for evaluation."""
HELD_S = 1.0
"""How long success must last, so that a block flicked up does not count."""
LOST_PATIENCE = 0.5
"""The person takes over after this share of the task's time: who can do it needs less."""
DRY_RUN_S = 5.0
FAILURES = 3
"""Scenes in a row in which the person may fail; more is a fault, not a clumsy hand."""


def steps_of(day: Day) -> tuple[Step, ...]:
    """All of them, in their order; the shipped weights only of a robot that they know."""
    name, robot, out = _word(day.name), day.robot.name, _word(day.out)
    shown, helped = _word(day.demonstrations), _word(day.interventions)
    launch = f"ros2 launch qwen_vla_ros {robot}.launch.py"
    if not (share_directory() / "launch" / f"{robot}.launch.py").exists():
        launch = f"ros2 launch qwen_vla_ros bringup.launch.py embodiment:={name}"
    record = f"qwen-vla record --embodiment {name} --folder"
    by_hand = f"teleop:={day.robot.teleop.default}"
    before = (_evaluation(day, "before", "the shipped weights on this task", None),)
    without = ""
    try:
        load_instructions(SHIPPED_CHECKPOINT, day.robot)
    except CheckpointError:
        before, without = (), " checkpoint:=hold"
    policy = _word(day.checkpoint("fine_tune"))
    return (
        Step(
            name="check",
            what="is the robot the one that its file describes?",
            commands=(
                f"qwen-vla check {name}",
                launch + without,
                f"qwen-vla check {name} --live",
            ),
            run=_check,
        ),
        Step(
            name="demonstrate",
            what=f"{day.size.demonstrations} episodes by hand, recorded",
            commands=(f"{launch}{without} {by_hand}", f"{record} {shown}"),
            run=_demonstrate,
        ),
        Step(
            name="data",
            what="what was recorded, and what is wrong with it",
            commands=(
                f"qwen-vla data info {shown}",
                f"qwen-vla data check {shown}",
            ),
            run=_data,
        ),
        *before,
        Step(
            name="fine_tune",
            what="learn from the episodes",
            commands=(f"qwen-vla train --config {out}/fine_tune.yaml",),
            run=_fine_tune,
        ),
        Step(
            name="dry_run",
            what="compare the policy with the recordings before it moves anything",
            commands=(
                f"qwen-vla replay {shown} --checkpoint {policy} --out {out}/replay",
                f"{launch} checkpoint:={policy} dry_run:=true",
            ),
            run=_dry_run,
        ),
        _evaluation(
            day, "after_demonstrations", "the policy on new scenes", day.checkpoint("fine_tune")
        ),
        Step(
            name="intervene",
            what=f"{day.size.autonomous} episodes of the policy; the person helps where it fails",
            commands=(
                f"{launch} checkpoint:={policy} {by_hand}",
                f"{record} {helped} --checkpoint {policy}",
            ),
            run=_intervene,
        ),
        Step(
            name="retrain",
            what="learn from the interventions as well",
            commands=(f"qwen-vla train --config {out}/retrain.yaml",),
            run=_retrain,
        ),
        _evaluation(
            day, "after_interventions", "the new policy on new scenes", day.checkpoint("retrain")
        ),
    )


def success_rates(day: Day) -> list[str]:
    """The measured success rates in lines for a person."""
    return [
        f"{words:<28}{_rate(json.loads(file.read_text()))}"
        for name, words in (
            ("before", "shipped weights"),
            ("after_demonstrations", f"after {day.size.demonstrations} demonstrations"),
            ("after_interventions", "after the interventions"),
        )
        if (file := day.out / f"{name}.json").exists()
    ]


def _word(path: Path | str) -> str:
    """As it is typed in a shell."""
    return shlex.quote(str(path))


def _evaluation(day: Day, name: str, what: str, checkpoint: Path | None) -> Step:
    command = f"qwen-vla evaluate --embodiment {_word(day.name)} --task {day.task}"
    if day.instruction is not None:
        command += f" --instruction {_word(day.instruction)}"
    if checkpoint is not None:
        command += f" --checkpoint {_word(checkpoint)}"
    file = day.out / f"{name}.json"

    def run(day: Day, step: Step) -> str:
        run_commands(day, step)
        return _rate(json.loads(file.read_text()))

    episodes = f"--episodes {day.size.evaluated} --json {_word(file)}"
    return Step(name=name, what=f"success: {what}", commands=(f"{command} {episodes}",), run=run)


def _rate(summary: dict) -> str:
    low, high = summary["success_interval_95"]
    return (
        f"success {summary['success_rate']:.0%} of {summary['n']} episodes "
        f"(95 % interval {low:.0%} to {high:.0%})"
    )


@contextmanager
def _running(
    day: Day, step: Step, recordings: Path | None = None, policy: Path | None = None, **options
) -> Iterator[SimulatedRobot]:
    """The robot's nodes and the recorder, and an expert who knows what the person would do."""
    os.environ.update(isolated_environment(day.robot))
    nodes = list(
        describe_bringup(
            embodiment=str(day.path),
            checkpoint=None if policy is None else str(policy),
            use_sim=True,
            **options,
        )
    )
    knows = {"expert": True, "expert_topic": PLAN}
    nodes[0] = replace(nodes[0], parameters={**nodes[0].parameters, **knows})
    if recordings is not None:
        nodes.append(
            describe_recorder(
                embodiment=str(day.path),
                folder=str(recordings),
                checkpoint=str(policy or ""),
                simulated=True,
            )
        )
    log = day.out / "log" / step.name
    with SimulatedRobot(day.robot, nodes, log, StatusLine()) as robot:
        yield robot


def _check(day: Day, step: Step) -> str:
    described, _, live = step.commands
    run_commands(day, replace(step, commands=(described,)))
    with _running(day, step):
        found = run_commands(day, replace(step, commands=(live,)), allowed=(0, 1))
    return "see what was found above" if found else f"{day.robot.name} is as its file says"


def _demonstrate(day: Day, step: Step) -> str:
    wanted, folder = day.size.demonstrations, day.demonstrations
    if (recorded := keep_successes(folder)) < wanted:
        with _running(day, step, folder) as robot:
            person, failures = ScriptedPerson(robot.operator, day.robot), 0
            for seed in itertools.islice(seeds_of(day, DEMONSTRATED), recorded, None):
                success = _episode(day, robot, person, seed, by_hand=True)["success"]
                recorded, failures = recorded + success, 0 if success else failures + 1
                ended = "" if success else ": failure, discarded"
                print(f"   {recorded} of {wanted} recorded, seed {seed}{ended}", flush=True)
                if recorded == wanted:
                    break
                if failures == FAILURES:
                    raise QwenVlaError(
                        f"the person failed {failures} times in a row; control_node: "
                        f"{robot.operator.mode}; the nodes' output is in {day.out}/log"
                    )
    return f"{keep_successes(folder)} episodes are in {folder}"


def _intervene(day: Day, step: Step) -> str:
    """The policy's episodes, one after the other; what came of each is kept."""
    file = day.out / "attempts.json"
    attempts = json.loads(file.read_text())["attempts"] if file.exists() else []
    keep_successes(day.interventions)
    if len(attempts) < day.size.autonomous:
        policy = day.checkpoint("fine_tune")
        with _running(day, step, day.interventions, policy) as robot:
            person = ScriptedPerson(robot.operator, day.robot)
            seeds = itertools.islice(seeds_of(day, ATTEMPTED), day.size.autonomous)
            for seed in itertools.islice(seeds, len(attempts), None):
                attempt = _episode(day, robot, person, seed, by_hand=False)
                attempts.append({"seed": seed, **attempt})
                write_json(file, {"attempts": attempts})
                helped = "the person helped" if attempt["helped"] else "alone"
                ended = "success" if attempt["success"] else "failure"
                print(
                    f"   seed {seed}: {ended}, {helped}, {attempt['duration_s']:.1f} s", flush=True
                )
    alone = sum(one["success"] and not one["helped"] for one in attempts)
    helped = sum(one["success"] and one["helped"] for one in attempts)
    low, high = wilson_interval(alone / len(attempts), len(attempts))
    return (
        f"success alone {alone} of {len(attempts)} (95 % interval {low:.0%} to {high:.0%}), "
        f"with the person's help {helped} more"
    )


def seeds_of(day: Day, first: int) -> Iterator[int]:
    """The seeds of the day's scenes, from the first on."""
    if day.instruction is None:
        return itertools.count(first)
    asking = scenes_asking(find_tasks(day.robot, day.task), day.instruction, first)
    return (scene.seed for scene in asking)


def _place(day: Day, robot: SimulatedRobot, seed: int) -> str:
    """Lay out a scene; returns what is asked for there."""
    own = robot.place(seed, day.task)
    return day.instruction or own


def _episode(
    day: Day, robot: SimulatedRobot, person: ScriptedPerson, seed: int, *, by_hand: bool
) -> dict:
    """One recorded episode; a failed one is discarded, so that nobody learns from it.

    Args:
        by_hand: the person drives from the start; else the policy, until it takes too long or has
            done something else.
    """
    operator, (task,) = robot.operator, find_tasks(day.robot, day.task)
    instruction = _place(day, robot, seed)
    operator.instruct(instruction)
    operator.wait(lambda: False, 0.2)  # until the recorder knows it
    _ask(robot, "record/start")
    person.pressed = by_hand
    patience_s = LOST_PATIENCE * task.time_limit_s

    def watch(elapsed_s: float) -> None:
        status = operator.task_status
        if not status["success"] and (status["done"] is not None or elapsed_s > patience_s):
            person.pressed = True
        if operator.mode.startswith("HOLD"):  # a stall of this computer looks like a release
            operator.request("engage_teleop" if person.pressed else "engage_policy")

    try:
        outcome = robot.carry_out(
            instruction,
            time_limit_s=patience_s + task.time_limit_s,
            held_s=HELD_S,
            engage="engage_teleop" if by_hand else "engage_policy",
            watch=watch,
        )
        helped = person.pressed
        _ask(robot, "record/success" if outcome["success"] else "record/discard")
    finally:
        person.pressed = False
    return {"success": outcome["success"], "helped": helped, "duration_s": outcome["duration_s"]}


def _ask(robot: SimulatedRobot, service: str) -> None:
    granted, message = robot.operator.trigger(service)
    if not granted:
        raise QwenVlaError(f"{service}: {message}")


def keep_successes(folder: Path) -> int:
    """How many successful episodes are in a folder of the day's.

    What an interruption left there, unfinished or without an outcome, is removed.
    """
    kept = 0
    for path in [*folder.glob("*.mcap"), *unfinished_in(folder)]:
        try:
            success = open_recording(path).end.outcome is Outcome.SUCCESS
        except RecordingError:
            success = False
        kept += success
        if not success:
            print(f"   {path.name} was not finished, removed")
            path.unlink()
    return kept


def _data(day: Day, step: Step) -> str:
    found = run_commands(day, step, allowed=(0, 1))
    return "look at the films of what was found" if found else "nothing is wrong"


def _fine_tune(day: Day, step: Step) -> str:
    return _train(day, step, [{"episodes": str(day.demonstrations)}], None)


def _retrain(day: Day, step: Step) -> str:
    sources = [{"episodes": str(day.demonstrations)}]
    found, held_out = keep_successes(day.interventions), day.size.held_out
    if found > held_out:
        sources.append({"episodes": str(day.interventions), "takeovers": 4})
    else:
        print(
            f"   {found} episodes of the policy, of which {held_out} validate: none to learn from"
        )
    return _train(day, step, sources, day.checkpoint("fine_tune"))


def _train(day: Day, step: Step, sources: list[dict], start_from: Path | None) -> str:
    write_recipe(day, step.name, sources, start_from)
    (command,) = step.commands
    if saved_progress(day.out / step.name) is not None:  # an interrupted one goes on
        command += " --resume"
    run_commands(day, replace(step, commands=(command,)))
    return f"the checkpoint is in {day.checkpoint(step.name)}"


def _dry_run(day: Day, step: Step) -> str:
    run_commands(day, step)
    with _running(day, step, policy=day.checkpoint("fine_tune"), dry_run=True) as robot:
        instruction = _place(day, robot, next(seeds_of(day, ATTEMPTED)))
        outcome = robot.carry_out(instruction, time_limit_s=DRY_RUN_S, held_s=HELD_S)
    # A policy that was stopped is what a dry run is for; how good it must be a person decides.
    return f"nothing was sent to the robot; after {DRY_RUN_S:g} s it was in {outcome['mode']}"
