"""The jump at a chunk boundary: real-time chunking beside what else is done."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qwen_vla_core.embodiment import (
    Embodiment,
    EmbodimentCodec,
    load_embodiment,
)
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.execution import Prefix, prefix_of
from qwen_vla_core.policy import ChannelPolicy, Policy
from qwen_vla_core.types import ActionChunk, Observation
from qwen_vla_core.worker_pool import WorkerPool

from ..tables import Table

METHODS = ("no switch", "naive", "ensemble", "guidance", "prefix")
MAX_DELAY_STEPS = 6
ENSEMBLE_DECAY = 0.01
"""ACT weighs the i-th oldest chunk with exp(-0.01 i)."""


def measure_chunks(path: Path, checkpoint: Path, seeds: Sequence[int], workers: int) -> dict:
    """Jumps of position and velocity over the scenes of some seeds; all of it can be JSON.

    Raises:
        QwenVlaError: the robot has no arm.
    """
    from qwen_vla_sim.progress import progress_bar

    robot = load_embodiment(path)
    if not _arm_joints(robot).any():
        raise QwenVlaError(f"{robot.name} has no arm whose jumps could be measured")
    jumps = defaultdict(list)
    with WorkerPool(workers, _start_worker, path, checkpoint) as pool:
        with progress_bar(len(seeds), "episode") as progress:
            for episode in pool.map(_episode, seeds):
                for key, values in episode.items():
                    jumps[key] += values
                progress.update()
        (machine,) = pool.map(_machine, ["cpu"])
    return {
        "machine": machine,
        "embodiment": robot.name,
        "checkpoint": str(checkpoint),
        "replan_steps": robot.replan_steps,
        "boundaries": [
            {"delay_steps": delay, "method": method, "n": len(values), **summarize(values)}
            for (delay, method), values in sorted(
                jumps.items(), key=lambda item: (item[0][0], METHODS.index(item[0][1]))
            )
        ],
    }


def summarize(jumps: Sequence[tuple[float, float]]) -> dict[str, dict[str, float]]:
    """Quantiles of jumps of position (rad) and velocity (rad/s)."""
    quantiles = np.quantile(np.array(jumps), (0.5, 0.9, 0.99), axis=0)
    return {
        name: dict(zip(("median", "p90", "p99"), column.tolist(), strict=True))
        for name, column in zip(("position_rad", "velocity_rad_s"), quantiles.T, strict=True)
    }


def table(result: dict) -> Table:
    """What a person reads."""
    machine, rows = result["machine"], result["boundaries"]
    quantiles = ("median", "p90", "p99")
    return Table(
        title=f"{result['embodiment']}: jumps at the chunk boundary; {machine['cpu']}, torch "
        f"{machine['torch']}",
        columns=("delay, method", "position, mrad", "p90", "p99", "velocity, rad/s", "p90", "p99")
        + ("n",),
        rows=[
            (
                f"{row['delay_steps']} steps, {row['method']}",
                *(f"{1e3 * row['position_rad'][q]:.1f}" for q in quantiles),
                *(f"{row['velocity_rad_s'][q]:.3f}" for q in quantiles),
                str(row["n"]),
            )
            for row in rows
        ],
    )


def _arm_joints(robot: Embodiment) -> np.ndarray:
    """Bool [D]: joints that turn, without those of a base."""
    turning = [joint.unit == "rad" for joint in robot.joints]
    return np.array(turning) & ~np.array(robot.base_D)


_worker: dict = {}


def _start_worker(embodiment_path: Path, checkpoint: Path) -> None:
    """Load the model twice, the second time without its trained prefixes, and the world."""
    import torch

    from qwen_vla_model.checkpoint import from_pretrained, load_tokenizer
    from qwen_vla_model.processor import Processor
    from qwen_vla_model.trained_robots import as_trained, load_action_space
    from qwen_vla_sim.registry import make_tasks, make_world

    torch.set_num_threads(1)
    robot = load_embodiment(embodiment_path)
    models = from_pretrained(checkpoint), from_pretrained(checkpoint)
    models[1].config = models[1].config.model_copy(update={"prefix_steps": 0})
    tokenizer = load_tokenizer(checkpoint)
    processor = Processor(models[0].config, tokenizer, as_trained(checkpoint, robot))
    _worker["models"], _worker["processor"] = models, processor
    _worker["space"] = load_action_space(checkpoint, robot)
    _worker["codec"], _worker["world"] = EmbodimentCodec(robot), make_world(robot)
    _worker["task"] = next(iter(make_tasks(robot).values()))


def _machine(device: str) -> dict:
    import torch

    from qwen_vla_model.speed.machine import describe

    return describe(torch.device(device))


def _episode(seed: int) -> dict[tuple[int, str], list[tuple[float, float]]]:
    """Jumps of position and velocity at the boundaries of one scene, by delay and method."""
    from qwen_vla_model.policy import QwenVlaPolicy
    from qwen_vla_sim.rollout import roll_out

    trained, guided = (
        QwenVlaPolicy(model, _worker["processor"], _worker["space"], seed)
        for model in _worker["models"]
    )
    task, codec = _worker["task"], _worker["codec"]
    measuring = Measuring(trained, guided, codec)
    roll_out(measuring, codec, _worker["world"], task, task.sample(seed))
    return dict(measuring.jumps)


class Measuring(ChannelPolicy):
    """A policy that also asks all methods, at each observation but the first.

    Attributes:
        jumps: (delay, method) -> jumps of position, rad, and velocity, rad/s.
    """

    def __init__(self, trained: Policy, guided: Policy, codec: EmbodimentCodec) -> None:
        super().__init__(codec)
        self.jumps: dict[tuple[int, str], list[tuple[float, float]]] = defaultdict(list)
        self._trained, self._guided = trained, guided
        self._joints_D = _arm_joints(codec.embodiment)
        self._used: list[ActionChunk] = []

    def infer(self, observation: Observation, prefix: Prefix | None = None) -> np.ndarray:
        """What the trained policy answers."""

        def plan(actions_HC: np.ndarray) -> ActionChunk:
            return self.codec.decode(actions_HC, observation.commanded_D, observation.stamp_s)

        if self._used:
            fresh = plan(self._trained.infer(observation))
            for delay in range(_longest_delay(self.codec.embodiment) + 1):
                self._compare(observation, delay, plan, fresh)
        actions_HC = self._trained.infer(observation, prefix)
        self._used.append(plan(actions_HC))
        return actions_HC

    def _compare(self, observation: Observation, delay: int, plan, fresh: ActionChunk) -> None:
        """All methods at the boundary ``delay`` steps after an observation."""
        old = self._used[-1:]
        prefix = prefix_of(old[0], observation, self.codec, delay)
        if prefix is None:
            return  # the command has left the plan, and so would nobody continue it
        step_s = self.codec.embodiment.action_step_s
        for method, before, after in (
            ("no switch", old, old),
            ("naive", old, [fresh]),
            ("ensemble", self._used, [*self._used, fresh]),
            ("guidance", old, [plan(self._guided.infer(observation, prefix))]),
            ("prefix", old, [plan(self._trained.infer(observation, prefix))]),
        ):
            switched_s = observation.stamp_s + delay * step_s
            jump = _jump(before, after, switched_s, step_s, self._joints_D)
            self.jumps[delay, method].append(jump)


def _longest_delay(robot: Embodiment) -> int:
    """The old plan must go on for one step after the boundary, to be compared with."""
    return min(MAX_DELAY_STEPS, robot.horizon - robot.replan_steps - 1)


def _jump(
    before: Sequence[ActionChunk],
    after: Sequence[ActionChunk],
    switched_s: float,
    step_s: float,
    joints_D: np.ndarray,
) -> tuple[float, float]:
    """Jumps of position and velocity, from the mean plan of some chunks to that of others."""
    was_D, is_D = _mean_plan(before, switched_s - step_s), _mean_plan(before, switched_s)
    position_D = _mean_plan(after, switched_s) - is_D
    velocity_D = (_mean_plan(after, switched_s + step_s) - 2.0 * is_D + was_D) / step_s
    return tuple(float(np.abs(jump_D[joints_D]).max()) for jump_D in (position_D, velocity_D))


def _mean_plan(chunks: Sequence[ActionChunk], time_s: float) -> np.ndarray:
    """Positions [D] at one moment: ACT's mean over the chunks that cover it, oldest first."""
    positions = []
    for chunk in chunks:
        place = (time_s - chunk.stamp_s) / chunk.step_s
        if -1e-6 < place < len(chunk.positions_TD) - 1 + 1e-6:
            points = np.arange(len(chunk.positions_TD))
            positions.append([np.interp(place, points, joint) for joint in chunk.positions_TD.T])
    weights = np.exp(-ENSEMBLE_DECAY * np.arange(len(positions)))
    return np.average(positions, axis=0, weights=weights)
