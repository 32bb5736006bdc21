"""Runs a policy on every recorded step, and compares its targets with what was done."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.execution.prefix import poses_from_first
from qwen_vla_core.policy import Policy
from qwen_vla_core.worker_pool import WorkerPool
from qwen_vla_data.checks.finding import seconds_of
from qwen_vla_data.episode import Episode
from qwen_vla_data.observations import EpisodeObservations
from qwen_vla_data.plans import with_plans
from qwen_vla_data.sources import EpisodeSource
from qwen_vla_ros.load_policy import is_replay, load_policy

SERVER_S = 30.0
"""How long an answer of a server may take: nothing waits for it but the report."""
BLOCK = 20
"""Observations that a process answers before it reports."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """One episode.

    Attributes:
        source: which.
        seconds_T: when each step was, s from the first.
        errors_THD: |target of the policy - what was done|, joint units, for each step of the
            chunk that was planned at step t; NaN where nothing was done any more.
        still_THD: the same of a policy that stays where it is.
        plans_TPD: the points of the chunk that was planned at step t, rad or m; the first is
            where it starts.
    """

    source: EpisodeSource
    seconds_T: np.ndarray
    errors_THD: np.ndarray
    still_THD: np.ndarray
    plans_TPD: np.ndarray


@dataclass(frozen=True, kw_only=True)
class _Block:
    source: EpisodeSource
    first: int
    last: int


def compare(
    sources: Sequence[EpisodeSource],
    robot: Embodiment,
    checkpoint: Path | str,
    *,
    device: str,
    weights: str | None,
    workers: int,
) -> list[Comparison]:
    """Run it on every step of every episode, in parallel processes.

    The noise of a chunk is decided by its step, so that the same command gives the same numbers; a
    server has its own.

    Raises:
        QwenVlaError: an episode cannot be read, or the checkpoint does not fit the robot, or is an
            episode itself.
    """
    from qwen_vla_sim.progress import progress_bar

    if is_replay(checkpoint):
        raise QwenVlaError(f"{checkpoint} is an episode, not a policy that plans")
    codec = EmbodimentCodec(robot)
    seconds = [seconds_of(source.load(codec), robot) for source in sources]
    load_policy(checkpoint, robot, device=device, weights=weights)  # refused here, in words
    blocks = [
        _Block(source=source, first=first, last=min(first + BLOCK, len(seconds_T)))
        for source, seconds_T in zip(sources, seconds, strict=True)
        for first in range(0, len(seconds_T), BLOCK)
    ]
    found: dict[EpisodeSource, list[tuple[np.ndarray, ...]]] = {}
    setting = (robot, checkpoint, device, weights)
    with (
        WorkerPool(min(workers, len(blocks)), _start, *setting) as pool,
        progress_bar(sum(map(len, seconds)), "observation", title="replay") as progress,
    ):
        for block, answers in zip(blocks, pool.map(_ask, blocks), strict=True):
            found.setdefault(block.source, []).append(answers)
            progress.update(block.last - block.first)
    compared = []
    for source, seconds_T in zip(sources, seconds, strict=True):
        own, still, plans = (np.concatenate(parts) for parts in zip(*found[source], strict=True))
        compared.append(
            Comparison(
                source=source,
                seconds_T=seconds_T,
                errors_THD=own,
                still_THD=still,
                plans_TPD=plans,
            )
        )
    return compared


def done_of(episode: Episode, codec: EmbodimentCodec) -> np.ndarray:
    """Joint targets [T, H, D] that were followed after each step; NaN behind the episode's end.

    Of a base displacements from its pose at the step. Where an expert planned, its plans.
    """
    robot, horizon = codec.embodiment, codec.embodiment.horizon
    base_D = np.array(robot.base_D)
    targets_THD = np.full((len(episode.states_TS), horizon, len(base_D)), np.nan)
    if episode.actions_NTHC is None:
        for t in range(len(targets_THD) - 1):
            path_TD = episode.commanded_TD[t : t + horizon + 1].astype(float)
            if base_D.any():
                path_TD[:, base_D] = poses_from_first(path_TD[:, base_D])
            targets_THD[t, : len(path_TD) - 1] = path_TD[1:]
        return targets_THD
    planned = with_plans(episode, codec)
    for t, (actions_HC, valid_H) in enumerate(
        zip(planned.actions_NTHC[0], planned.valid_NTH[0], strict=True)
    ):
        if valid_H.any():
            normal_HC = codec.normalize_actions(actions_HC[valid_H])
            chunk = codec.decode(normal_HC, episode.commanded_TD[t].astype(float), 0.0)
            targets_THD[t, : len(chunk.positions_TD) - 1] = chunk.positions_TD[1:]
    return targets_THD


_codec: EmbodimentCodec
_policy: Policy
"""State of a worker process."""


def _start(robot: Embodiment, checkpoint: Path | str, device: str, weights: str | None) -> None:
    global _codec, _policy
    _codec = EmbodimentCodec(robot)
    _policy = load_policy(checkpoint, robot, device=device, weights=weights, deadline_s=SERVER_S)
    _policy.warm_up()


@lru_cache(maxsize=1)
def _prepared(source: EpisodeSource) -> tuple[EpisodeObservations, np.ndarray]:
    episode = source.load(_codec)
    return EpisodeObservations(episode, _codec), done_of(episode, _codec)


def _ask(block: _Block) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors of the policy and of standing still [T, H, D], and its plans [T, 1 + H, D]."""
    try:
        observations, done_THD = _prepared(block.source)
        own, still, plans = [], [], []
        for step in range(block.first, block.last):
            seen = observations.at(step)
            _policy.reseed(step)
            plans.append(_policy.plan(seen).positions_TD)
            own.append(np.abs(plans[-1][1:] - done_THD[step]))
            still.append(np.abs(seen.commanded_D - done_THD[step]))
        return np.stack(own), np.stack(still), np.stack(plans)
    except QwenVlaError as error:
        where = "" if str(block.source.path) in str(error) else f"{block.source}: "
        raise QwenVlaError(f"{where}{error}") from error
