"""Measure everything about the model on a GPU in ten minutes, and write the tables.

Example:
  make bench-gpu
  qwen-vla bench gpu --out out/bench-gpu

Both sizes on every path; views, image sizes, Euler steps, joint and cached context, batches,
and weights of 16 and 8 bits. What does not fit into the time is left out and named. The folder
gets tables.md and a JSON file for each size, rewritten after each part.
"""

import argparse
from pathlib import Path

from .outputs import output_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla bench gpu`."""
    parser.add_argument(
        "--out", type=Path, default=Path("out/bench-gpu"), help="folder (out/bench-gpu)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, and write the tables."""
    from qwen_vla_eval.bench.gpu import measure_gpu, path_table
    from qwen_vla_eval.bench.model import report
    from qwen_vla_eval.tables import show

    with output_folder(arguments.out):
        results, items, skipped = measure_gpu(arguments.out)
    for result in results:
        show(report(result))
    show([path_table(items)])
    if skipped:
        print(f"no time for: {'; '.join(skipped)}")
    print(f"the same as Markdown and JSON: {arguments.out}")
    return 0
