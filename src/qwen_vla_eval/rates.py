"""Success rates of episodes, with intervals that hold at 0 and 1 too."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Z_95 = 1.96
"""Normal quantile of a two-sided 95 % interval."""

Interval = tuple[float, float]


def wilson_interval(rate: float, n: int) -> Interval:
    """95 % interval of a success rate over n episodes (Wilson score)."""
    centre = (rate + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
    half = Z_95 / (1 + Z_95**2 / n) * math.sqrt(rate * (1 - rate) / n + Z_95**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def difference_interval(rate: float, n: int, other: float, m: int) -> Interval:
    """95 % interval of ``rate - other``, over n and m episodes.

    Source: Newcombe 1998 (Statistics in Medicine 17:873), method 10: from the Wilson intervals.
    """
    (low, high), (other_low, other_high) = wilson_interval(rate, n), wilson_interval(other, m)
    down, up = (
        math.hypot(rate - low, other_high - other),
        math.hypot(high - rate, other - other_low),
    )
    # Rounding would carry it past what a difference of rates can be.
    return max(-1.0, rate - other - down), min(1.0, rate - other + up)


def lost_by_chance(won: int, lost: int) -> float:
    """Probability that chance loses at least as many of these scenes (one-sided sign test).

    Args:
        won, lost: scenes that changed, of pairs of the same scene.
    """
    changed = won + lost
    return sum(math.comb(changed, k) for k in range(lost, changed + 1)) / 2**changed


def steps_text(summary: Mapping[str, Any]) -> str:
    """Median length of the successful episodes in action steps, or "none" without any."""
    steps = summary["median_steps"]
    return "none" if steps is None else f"{steps:.0f}"


def summarize(episodes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rates over episodes, as ``runner.episode_result`` describes them."""
    n = len(episodes)
    rate = sum(episode["success"] for episode in episodes) / n
    steps = [episode["steps"] for episode in episodes if episode["success"]]
    instructions = sorted({episode["instruction"] for episode in episodes})
    return {
        "n": n,
        "success_rate": rate,
        "success_interval_95": wilson_interval(rate, n),
        "chance": sum(1.0 / episode["instructions"] for episode in episodes) / n,
        "did_another": sum(e["done"] not in (None, e["instruction"]) for e in episodes) / n,
        "did_nothing": sum(e["done"] is None for e in episodes) / n,
        "median_steps": float(np.median(steps)) if steps else None,
        "by_instruction": {
            instruction: [
                sum(e["success"] for e in episodes if e["instruction"] == instruction),
                sum(e["instruction"] == instruction for e in episodes),
            ]
            for instruction in instructions
        },
    }
