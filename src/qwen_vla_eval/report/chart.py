"""The tables of a report as one figure: success with intervals, in groups of robots and tasks."""

from pathlib import Path

import numpy as np

from qwen_vla_core.whole_file import write_whole

from .bars import Results
from .plan import Plan, Section, Variant

WIDTH_IN, ROW_IN, NOTE_IN = 10.0, 2.5, 0.3
"""At 100 dots per inch the width of a README."""
WIDEST, FEWEST_GROUPS = 0.28, 3
"""Where there is little to show, columns do not grow to fill the figure."""
FIRST_COLOUR, OTHER_COLOURS = "#1f4e79", ("#6f9fc8", "#a8c6df", "#d08b5b", "#8fae8b", "#b9a3c6")
"""What the others are compared with is dark."""


def draw_chart(path: Path, plan: Plan, results: Results) -> None:
    """A row for each section."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = len(plan.sections)
    size = (WIDTH_IN, ROW_IN * rows + NOTE_IN)
    figure, axes = pyplot.subplots(rows, 1, figsize=size, squeeze=False)
    for axis, section in zip(axes[:, 0], plan.sections, strict=True):
        _draw_section(axis, section, plan, results)
    figure.tight_layout(h_pad=1.5, rect=(0, NOTE_IN / figure.get_figheight(), 1, 1))
    note = "whiskers: 95 % interval (Wilson)    dotted: chance, of a policy that does not read"
    note += "    red: bar to reach" if plan.bars is not None else ""
    figure.text(0.01, 0.08 / figure.get_figheight(), note, fontsize=8, color="0.3")
    with write_whole(path) as partial:
        figure.savefig(partial, format="png", dpi=100)
    pyplot.close(figure)


def _draw_section(axis, section: Section, plan: Plan, results: Results) -> None:
    groups = [
        (robot, task) for robot, robot_plan in plan.robots.items() for task in robot_plan.tasks
    ]
    variants = section.variants
    width = min(0.84 / len(variants), WIDEST)
    colours = [FIRST_COLOUR, *(OTHER_COLOURS[i % 5] for i in range(len(variants) - 1))]
    for i, ((variant, name), colour) in enumerate(zip(variants.items(), colours, strict=True)):
        at = np.arange(len(groups)) + (i - (len(variants) - 1) / 2) * width
        found = [results[robot, task, variant] for robot, task in groups]
        rates = np.array([100 * summary["success_rate"] for summary in found])
        ends = 100 * np.array([summary["success_interval_95"] for summary in found]).T
        axis.bar(at, rates, 0.92 * width, color=colour, label=name)
        axis.errorbar(at, rates, np.abs(ends - rates), fmt="none", ecolor="0.2", elinewidth=0.9)
        for x, rate, high in zip(at, rates, ends[1], strict=True):
            axis.text(x, high + 1.5, f"{rate:.0f}", ha="center", va="bottom", fontsize=8)
        for x, (robot, task), summary in zip(at, groups, found, strict=True):
            chance = 100 * summary["chance"]
            axis.hlines(chance, x - width / 2, x + width / 2, color="0.35", linestyle=":")
            if least := _bar(plan, robot, task, variant):
                axis.hlines(100 * least, x - width / 2, x + width / 2, color="tab:red")
    axis.set(title=section.title, ylabel="success, %", ylim=(0, 118), yticks=range(0, 101, 25))
    middle, half = (len(groups) - 1) / 2, max(len(groups), FEWEST_GROUPS) / 2
    axis.set_xlim(middle - half, middle + half)
    axis.title.set(fontsize=10, fontweight="bold", ha="left", position=(0.0, 1.0))
    labels = [f"{robot}\n{task.replace('_', ' ')}" for robot, task in groups]
    axis.set_xticks(range(len(groups)), labels, fontsize=9)
    axis.grid(axis="y", alpha=0.3)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def _bar(plan: Plan, robot: str, task: str, variant: Variant) -> float | None:
    """The bar that a column has to reach, if any."""
    if plan.bars is None or variant != Variant(checkpoint=plan.bars.checkpoint):
        return None
    return plan.bars.at_least.get(robot, {}).get(task)
