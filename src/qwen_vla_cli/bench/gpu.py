"""Measure everything about the model on a GPU in ten minutes, and write the tables.

Example:
  make bench-gpu
  qwen-vla bench gpu --out out/bench-gpu

Both sizes on every path; views, picture sizes, Euler steps, joint and cached context, batches,
and weights of 16 and 8 bits. What does not fit into the time is left out and named. The folder
gets tables.md and one JSON file for each part, each as soon as it was measured.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

from .model import measure, report, require_device, write_json

BUDGET_S = 540.0
"""After this no further case is begun: ten minutes with what is running then."""

GPU_PASSES = 200


@dataclass(frozen=True, kw_only=True)
class Part:
    """One report.

    Attributes:
        paths: ways to run it; the rest of a sensitivity table follows where there is one.
        needs_s: not begun with less than this left.
    """

    name: str
    config: str
    paths: tuple[str, ...]
    with_sensitivity: bool
    needs_s: float


PARTS = (
    Part(
        name="5b",
        config="5b",
        paths=("plain", "eager", "graph"),
        with_sensitivity=True,
        needs_s=0.0,
    ),
    Part(
        name="tiny",
        config="tiny",
        paths=("plain", "eager", "graph"),
        with_sensitivity=True,
        needs_s=30.0,
    ),
    # Compiling the full size takes minutes, so it comes last.
    Part(
        name="5b-compiled",
        config="5b",
        paths=("compiled", "compiled graph"),
        with_sensitivity=False,
        needs_s=240.0,
    ),
    Part(
        name="tiny-compiled",
        config="tiny",
        paths=("compiled", "compiled graph"),
        with_sensitivity=False,
        needs_s=90.0,
    ),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla bench gpu`."""
    parser.add_argument(
        "--out", type=Path, default=Path("out/bench-gpu"), help="folder (out/bench-gpu)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure part after part; what is done is on disk when something goes wrong later."""
    require_device("cuda")
    from rich.console import Console

    from qwen_vla_model.speed.bench import CONFIGS, SHAPES

    end_s = time.monotonic() + BUDGET_S
    console, text = Console(), ["# The model on a GPU\n"]
    for part in PARTS:
        if end_s - time.monotonic() < part.needs_s:
            text.append(f"{part.name}: left out, no time\n")
            (arguments.out / "tables.md").write_text("\n".join(text))
            continue
        result = measure(
            part.config,
            CONFIGS[part.config](),
            SHAPES[part.config],
            "cuda",
            part.paths,
            GPU_PASSES,
            with_sensitivity=part.with_sensitivity,
            out_of_time=lambda: time.monotonic() > end_s,
        )
        write_json(arguments.out / f"{part.name}.json", result)
        text.append(f"## {part.name}\n")
        for section in report(result):
            console.print(section if isinstance(section, str) else section.rich())
            text.append(section if isinstance(section, str) else section.markdown())
        (arguments.out / "tables.md").write_text("\n".join(text))
    console.print(f"tables and JSON: {arguments.out}")
    return 0
