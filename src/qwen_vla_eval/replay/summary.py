"""Errors of many observations in numbers: per joint, per step of the chunk, and the worst."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qwen_vla_core.embodiment import Embodiment

from ..tables import Table
from .measure import Comparison

APART_S = 1.0
"""Two worst moments of an episode are at least this far apart."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """An observation whose chunk is far from what was done.

    Attributes:
        episode: which comparison. step: which of its steps. second: when, s.
        joint: its name; where the error is largest, in shares of the joints' ranges.
        chunk_step: at which step of the chunk, from 1 on. error: there, joint units.
    """

    episode: int
    step: int
    second: float
    joint: str
    unit: str
    chunk_step: int
    error: float

    def __str__(self) -> str:
        """``12.3 s: elbow 0.21 rad off after 8 steps``."""
        return (
            f"{self.second:.1f} s: {self.joint} {self.error:.3g} {self.unit} off after "
            f"{self.chunk_step} steps"
        )


def shown_steps(horizon: int) -> list[int]:
    """Steps of a chunk that a table shows, from 1 on: the first, a quarter, half, the last."""
    return sorted({1, max(1, horizon // 4), max(1, horizon // 2), horizon})


def mean_errors(compared: Sequence[Comparison]) -> tuple[np.ndarray, np.ndarray]:
    """Mean error [H, D] of the policy, and of standing still, over all observations."""
    own = np.concatenate([one.errors_THD for one in compared])
    still = np.concatenate([one.still_THD for one in compared])
    return np.nanmean(own, axis=0), np.nanmean(still, axis=0)


def table(compared: Sequence[Comparison], robot: Embodiment) -> Table:
    """A row a joint: mean errors by step, 95 % of all errors, and standing still beside it."""
    own_HD, still_HD = mean_errors(compared)
    all_ND = np.concatenate([one.errors_THD for one in compared]).reshape(-1, len(robot.joints))
    p95_D = np.nanquantile(all_ND, 0.95, axis=0)
    steps = shown_steps(robot.horizon)
    rows = []
    for place, joint in enumerate(robot.joints):
        share = own_HD[:, place].mean() / max(still_HD[:, place].mean(), 1e-12)
        rows.append(
            (
                f"{joint.name}, {joint.unit}",
                *(f"{own_HD[step - 1, place]:.4f}" for step in steps),
                f"{p95_D[place]:.4f}",
                f"{still_HD[-1, place]:.4f}",
                f"{share:.0%}" if still_HD[:, place].mean() > 1e-4 else "",
            )
        )
    return Table(
        title="Mean distance from what was done after 1, 4, ... steps of the chunk; its 95 % "
        "quantile; that of standing still, and the policy's share of it",
        columns=(
            "joint",
            *(str(step) for step in steps),
            "p95",
            "still",
            "of still",
        ),
        rows=rows,
    )


def score_of(one: Comparison, robot: Embodiment) -> np.ndarray:
    """How far off each observation's chunk is, [T]: the worst joint's mean, in its range's share.

    NaN where nothing was done any more.
    """
    ranges_D = np.array([joint.upper - joint.lower for joint in robot.joints])
    known_T = ~np.isnan(one.errors_THD).all((1, 2))
    score_T = np.full(len(one.errors_THD), np.nan)
    score_T[known_T] = (np.nanmean(one.errors_THD[known_T], axis=1) / ranges_D).max(1)
    return score_T


def worst_moments(compared: Sequence[Comparison], robot: Embodiment, count: int) -> list[Moment]:
    """The observations that are farthest off, worst first."""
    ranges_D = np.array([joint.upper - joint.lower for joint in robot.joints])
    ranked = []
    for number, one in enumerate(compared):
        for step, score in enumerate(score_of(one, robot)):
            if np.isfinite(score):
                ranked.append((-score, number, step))
    moments: list[Moment] = []
    for _, number, step in sorted(ranked):
        one = compared[number]
        second = float(one.seconds_T[step])
        near = [m for m in moments if m.episode == number and abs(m.second - second) < APART_S]
        if near:
            continue
        shares_HD = np.nan_to_num(one.errors_THD[step] / ranges_D)
        place = np.unravel_index(shares_HD.argmax(), shares_HD.shape)
        joint = robot.joints[place[1]]
        moments.append(
            Moment(
                episode=number,
                step=step,
                second=second,
                joint=joint.name,
                unit=joint.unit,
                chunk_step=int(place[0]) + 1,
                error=float(one.errors_THD[step][place]),
            )
        )
        if len(moments) == count:
            break
    return moments
