"""What `qwen-vla evaluate --report` writes: success with intervals, and what a policy looks like.

One concept each: plan.py says what is compared, cells.py what has to be measured for it and what
is already, measure.py runs the rest, bars.py judges; tables.py, chart.py and write.py put it on
paper, figures.py shows robots from outside.
"""

from pathlib import Path

from .bars import judge
from .cells import Store, enumerate_cells, find_labelled
from .measure import measure_cells
from .plan import Plan, Variant, load_plan


def make_report(plan_path: Path, out: Path, workers: int) -> None:
    """Measure what a plan says and write report.md, report.json, success.png and figures.

    May be interrupted and repeated: finished episodes are kept in ``out/cells``.

    Raises:
        QwenVlaError: the plan cannot be read, or something in it does not exist.
    """
    from .chart import draw_chart
    from .figures import draw_figures
    from .write import CHART, write_markdown, write_report_json

    plan = load_plan(plan_path)
    cells = enumerate_cells(plan)
    seeds = range(plan.seed, plan.seed + plan.episodes)
    measured = measure_cells(cells.values(), seeds, Store(out / "cells"), workers)
    results = {where: measured[cell] for where, cell in cells.items()}
    draw_chart(out / CHART, plan, results)
    first = next(iter(plan.checkpoints))
    figures = {}
    for robot, robot_plan in plan.robots.items():
        shown = {
            variant.shift: (cells[where], summary)
            for where, summary in results.items()
            for variant in [where[2]]
            if where
            == (robot, robot_plan.tasks[0], Variant(checkpoint=first, shift=variant.shift))
        }
        print(f"{robot}: figures", flush=True)
        figures[robot] = draw_figures(out / robot, plan, shown)
    bar_results = judge(plan.bars, results, _sizes_mb(plan)) if plan.bars else []
    write_markdown(out / "report.md", plan, results, bar_results, figures)
    write_report_json(out / "report.json", plan, results, bar_results, figures)


def _sizes_mb(plan: Plan) -> dict[str, float]:
    """Size of each checkpoint, 10^6 bytes; of those with one for each robot, the largest."""
    return {
        label: max(_size_mb(find_labelled(plan, label, robot)) for robot in plan.robots)
        for label in plan.checkpoints
    }


def _size_mb(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.iterdir()) / 1e6
