"""One policy, one task: success, chance and mistakes, and how it goes while it runs."""

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import InstructionError
from qwen_vla_core.execution.policy_loop import check_replan_steps
from qwen_vla_ros.load_policy import is_ours, load_policy

from .episodes import directly, through_ros
from .rates import steps_text, summarize
from .runner import EvaluationCase
from .spelling import respelled

AUTONOMY = "AUTONOMY"
"""Mode of a robot that nothing stopped."""


def evaluate(
    path: Path,
    checkpoint: Path | str | None,
    seeds: Sequence[int],
    *,
    task: str | None,
    shift: str,
    spelling: str | None,
    weights: str,
    replan_steps: int | None,
    workers: int,
    ros: bool,
    backend: str = "",
    instruction: str | None = None,
) -> dict:
    """Run the episodes, print what came of them, and return it, in JSON's types.

    Args:
        path: the robot's YAML.
        checkpoint: as for ``load_policy``; None for the scripted expert.
        seeds: of the scenes.
        task: its name; None for the robot's usual one.
        shift: of the scenes, see ``tasks.shifts.Shift``.
        spelling: how the instructions are typed, see ``spelling.SPELLINGS``.
        weights: data type of the policy's weights.
        replan_steps: action steps used per chunk; None for the robot's.
        workers: processes.
        ros: carry them out through the real nodes as well.
        backend: format of another's server, as for ``load_policy``.
        instruction: as many scenes as there are seeds, from the first of these on, but only those
            that ask for this; None for all.
    Raises:
        QwenVlaError: no such task or shift, no scene that asks for the instruction, more
            ``replan_steps`` than a chunk covers, or a checkpoint that does not fit the robot.
    """
    from qwen_vla_sim.registry import find_tasks
    from qwen_vla_sim.tasks.asking import scenes_asking
    from qwen_vla_sim.tasks.shifts import Shift, find_shift

    robot = load_embodiment(path)
    chosen = find_tasks(robot, task)[0]
    found_shift = find_shift(shift)
    check_replan_steps(robot, replan_steps or 0)
    if checkpoint is not None:
        # What does not fit is refused here in words, not in every worker.
        load_policy(checkpoint, robot, backend=backend, weights=weights)
    case = EvaluationCase(
        embodiment=path,
        task=chosen.name,
        checkpoint=checkpoint,
        prompt_embodiment=path,
        weights=weights,
        backend=backend,
    )
    if instruction is None:
        scenes = [chosen.sample(seed, found_shift) for seed in seeds]
    elif found_shift is Shift.INSTRUCTION:
        raise InstructionError("this shift has words of its own; leave out the shift or yours")
    else:
        asking = scenes_asking((chosen,), instruction, seeds[0], found_shift)
        scenes = list(islice(asking, len(seeds)))
    scenes = [respelled(scene, spelling) for scene in scenes]
    summary = {
        "embodiment": robot.name,
        "policy": _named(checkpoint, weights),
        "task": chosen.name,
        "shift": shift,
        **({"spelling": spelling} if spelling else {}),
    }
    print(", ".join(summary.values()))
    episodes = directly(case, scenes, workers=workers, replan_steps=replan_steps)
    summary |= _measured("directly", episodes, len(scenes))
    if ros:
        summary["through_ros"] = _measured("through ROS", through_ros(case, scenes), len(scenes))
    return summary


def _named(checkpoint: Path | str | None, weights: str) -> str:
    if checkpoint is None:
        return "scripted expert"
    return f"{checkpoint} as {weights}" if is_ours(checkpoint) else str(checkpoint)


def _measured(way: str, episodes: Iterable[dict], n: int) -> dict:
    """Run the episodes, show how they go, and print and return what came of them."""
    from qwen_vla_sim.progress import progress_bar

    results = []
    with progress_bar(n, "episode", title=way) as progress:
        for episode in episodes:
            results.append(episode)
            successes = sum(episode["success"] for episode in results)
            progress.set_postfix_str(f"success {successes}/{len(results)}")
            progress.update()
    summary = summarize(results)
    print(report(way, summary))
    for episode in results:
        if not (mode := episode.get("mode", AUTONOMY)).startswith(AUTONOMY):
            print(f"  seed {episode['seed']} was stopped, {mode}")
    return {**summary, "episodes": results}


def report(way: str, summary: dict) -> str:
    """The summary in lines for a person."""
    low, high = summary["success_interval_95"]
    by_instruction = "\n".join(
        f"  {successes}/{n} {instruction}"
        for instruction, (successes, n) in summary["by_instruction"].items()
    )
    return (
        f"{way}\n"
        f"success        {summary['success_rate']:.0%} of {summary['n']} episodes "
        f"(95 % interval {low:.0%} to {high:.0%}); chance {summary['chance']:.0%}\n"
        f"mistakes       did something else {summary['did_another']:.0%}, "
        f"nothing {summary['did_nothing']:.0%}\n"
        f"median length  {steps_text(summary)} action steps when successful\n"
        f"{by_instruction}"
    )
