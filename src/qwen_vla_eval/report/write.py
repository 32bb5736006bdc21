"""report.md and report.json."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from qwen_vla_core.whole_file import write_text_whole
from qwen_vla_model.origin import code_version, machine

from ..tables import write_json
from .bars import BarResult, Results
from .figures import Figures
from .plan import Plan
from .tables import bars_table, mistakes_table, section_table

CHART = "success.png"


def write_markdown(
    path: Path,
    plan: Plan,
    results: Results,
    bar_results: Sequence[BarResult],
    figures: Mapping[str, Figures],
) -> None:
    """The report for people; figures are linked relative to it."""
    parts = [
        "# Results\n",
        _origin(plan, results),
        f"![Success with intervals]({CHART})\n",
        *(section_table(section, plan, results).markdown() for section in plan.sections),
    ]
    if bar_results:
        parts.append(bars_table(bar_results).markdown())
    parts.append(mistakes_table(results).markdown())
    parts += [_robot(name, drawn) for name, drawn in figures.items()]
    write_text_whole(path, "\n".join(parts))


def _origin(plan: Plan, results: Results) -> str:
    last = plan.seed + plan.episodes - 1
    lasted_s = sum(e["wall_s"] for summary in results.values() for e in summary["episodes"])
    return (
        f"{plan.episodes} episodes in each cell, scenes of seeds {plan.seed} to {last}, which no "
        "training uses; 95 % intervals (Wilson). Chance is the success of a policy that carries "
        "out any instruction of the scene without reading the given one.\n\n"
        f"Code {code_version()}; {machine()}. One after the other the episodes would have taken "
        f"{lasted_s / 60:.0f} minutes.\n"
    )


def _robot(name: str, drawn: Figures) -> str:
    looking = drawn.looking
    low, high = looking.interval
    lines = [
        f"## {name}, {drawn.task}\n",
        "Does it look at what is named? Of how much the chunk changes when either of two objects "
        f"is hidden, **{100 * looking.share:.0f} %** ({100 * low:.0f} to {100 * high:.0f}) is due "
        f"to the one that the sentence names; {looking.n} scenes, each with both instructions; "
        "50 % is a policy that does not read.\n",
    ]
    for file, what in drawn.files.items():
        mark = "" if file.endswith(".mp4") else "!"
        lines.append(f"{mark}[{name}: {what}]({name}/{file})\n")
    return "\n".join(lines)


def write_report_json(
    path: Path,
    plan: Plan,
    results: Results,
    bar_results: Sequence[BarResult],
    figures: Mapping[str, Figures],
) -> None:
    """The same for programs; episodes are in cells/."""
    content = {
        "code": code_version(),
        "machine": machine(),
        "plan": plan.model_dump(mode="json"),
        "cells": [
            {
                "robot": robot,
                "task": task,
                **variant.model_dump(),
                **{key: value for key, value in summary.items() if key != "episodes"},
            }
            for (robot, task, variant), summary in results.items()
        ],
        "bars": [dataclasses.asdict(bar_result) for bar_result in bar_results],
        "figures": {name: dataclasses.asdict(drawn) for name, drawn in figures.items()},
    }
    write_json(path, content)
