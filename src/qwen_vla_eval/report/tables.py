"""The tables of a report."""

from collections.abc import Mapping, Sequence

from ..rates import steps_text
from ..tables import Table
from .bars import BarResult, Results
from .plan import SENTENCES, Plan, Section


def section_table(section: Section, plan: Plan, results: Results) -> Table:
    """Robots and tasks down, variants across."""
    rows = []
    for robot, robot_plan in plan.robots.items():
        for task in robot_plan.tasks:
            cells = [results[robot, task, variant] for variant in section.variants]
            rows.append([f"{robot} {task}", *map(rate_text, cells)])
    return Table(title=section.title, columns=["", *section.variants.values()], rows=rows)


def rate_text(summary: Mapping) -> str:
    """Success with its interval and its number of episodes."""
    low, high = summary["success_interval_95"]
    rate = 100 * summary["success_rate"]
    return f"{rate:.0f} % ({100 * low:.0f} to {100 * high:.0f}), n {summary['n']}"


def mistakes_table(results: Results) -> Table:
    """Every cell, with chance and with what was done instead."""
    columns = ["", "success", "chance", "did another", "did nothing", "steps when successful"]
    rows = []
    for (robot, task, variant), summary in results.items():
        words = [variant.checkpoint, variant.shift.replace("_", " ")]
        words += [] if variant.sentence == "right" else [SENTENCES[variant.sentence]]
        words += ["through ROS"] if variant.ros else []
        rows.append(
            [
                f"{robot} {task}: {', '.join(words)}",
                f"{summary['success_rate'] * summary['n']:.0f} of {summary['n']}",
                *(
                    f"{100 * summary[key]:.0f} %"
                    for key in ("chance", "did_another", "did_nothing")
                ),
                steps_text(summary),
            ]
        )
    return Table(title="Every cell", columns=columns, rows=rows)


def bars_table(bar_results: Sequence[BarResult]) -> Table:
    """What was wanted, what was measured, and whether it is enough."""
    rows = [[v.bar, _measured(v), "met" if v.met else "**not met**"] for v in bar_results]
    return Table(title="Bars", columns=["", "measured", ""], rows=rows)


def _measured(bar_result: BarResult) -> str:
    if bar_result.interval is None:
        return f"{bar_result.measured:.1f} MB"
    low, high = bar_result.interval
    return f"{100 * bar_result.measured:.0f} % ({100 * low:.0f} to {100 * high:.0f})"
