"""Bars, and whether what was measured reaches them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..rates import Interval, difference_interval, wilson_interval
from .plan import IN_DISTRIBUTION, Bars, Variant

Results = Mapping[tuple[str, str, Variant], Mapping[str, Any]]
"""Robot, task and variant -> summary of the episodes (``rates.summarize``)."""


@dataclass(frozen=True, kw_only=True)
class BarResult:
    """One bar beside what was measured.

    Attributes:
        measured: a rate, a difference of rates, or megabytes.
        interval: 95 % interval of a rate or difference; None where there is none.
        met: a rate or size by itself; a difference by its interval.
    """

    bar: str
    measured: float
    interval: Interval | None
    met: bool


def judge(bars: Bars, results: Results, sizes_mb: Mapping[str, float]) -> list[BarResult]:
    """A result for each bar of which something was measured.

    Args:
        sizes_mb: label -> size of the checkpoint, 10^6 bytes; of several the largest.
    """
    own = Variant(checkpoint=bars.checkpoint)
    bar_results = []
    for robot, tasks in bars.at_least.items():
        for task, least in tasks.items():
            if summary := results.get((robot, task, own)):
                rate = summary["success_rate"]
                bar_results.append(
                    BarResult(
                        bar=f"{robot} {task} at least {100 * least:g} %",
                        measured=rate,
                        interval=wilson_interval(rate, summary["n"]),
                        met=rate >= least,
                    )
                )
    bar_results += _out_of_distribution(bars, results)
    if bars.as_good_as is not None:
        bar_results += _as_good(bars, results)
    if bars.largest_mb is not None:
        size_mb = sizes_mb[bars.checkpoint]
        bar = f"at most {bars.largest_mb:g} MB"
        met = size_mb <= bars.largest_mb
        bar_results.append(BarResult(bar=bar, measured=size_mb, interval=None, met=met))
    return bar_results


def _out_of_distribution(bars: Bars, results: Results) -> list[BarResult]:
    """The mean over cells; its interval is that of all their episodes together.

    Cells have equally many, and their differences only make the true interval narrower.
    """
    shifted = [
        summary
        for (_, _, variant), summary in results.items()
        if variant.shift != IN_DISTRIBUTION
        and variant == Variant(checkpoint=bars.checkpoint, shift=variant.shift)
    ]
    least = bars.mean_out_of_distribution
    if least is None or not shifted:
        return []
    mean = sum(summary["success_rate"] for summary in shifted) / len(shifted)
    return [
        BarResult(
            bar=f"mean out of distribution at least {100 * least:g} %",
            measured=mean,
            interval=wilson_interval(mean, sum(summary["n"] for summary in shifted)),
            met=mean >= least,
        )
    ]


def _as_good(bars: Bars, results: Results) -> list[BarResult]:
    """Not worse, as far as the interval tells, wherever both were measured alike."""
    bar_results = []
    for (robot, task, variant), summary in results.items():
        other = results.get(
            (robot, task, variant.model_copy(update={"checkpoint": bars.as_good_as}))
        )
        if variant.checkpoint != bars.checkpoint or other is None:
            continue
        rates = summary["success_rate"], other["success_rate"]
        interval = difference_interval(rates[0], summary["n"], rates[1], other["n"])
        where = "" if variant.shift == IN_DISTRIBUTION else f", {variant.shift.replace('_', ' ')}"
        bar_results.append(
            BarResult(
                bar=f"{robot} {task}{where} as good as {bars.as_good_as}",
                measured=rates[0] - rates[1],
                interval=interval,
                met=interval[1] >= 0.0,
            )
        )
    return bar_results
