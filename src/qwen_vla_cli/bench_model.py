"""Measure the phases of one pass of the model, beside the least that this machine allows.

Example:
  qwen-vla bench model --config tiny --device cpu
  qwen-vla bench model --profile
  qwen-vla bench model --config 5b --device cuda --views 3 --size 224 --json model.json

Weights are random: they do not change the time. Images of 640 x 480 come in, the chunk goes out
to the host. `plain` is the straightforward program, transformers' own forward with the expert's
context recomputed in each Euler step; `eager` is ours, launched kernel by kernel; `graph` is
ours replayed as CUDA graphs, what a robot with a GPU runs; `compiled` went through torch.compile
first. The bound is the larger of bytes of weights / memory bandwidth and operations / matrix
rate, both measured in the same run. --profile instead measures the shipped policy, each kind of
pass eagerly and as it runs on a robot, and lists its operations.
"""

import argparse
from pathlib import Path

from .arguments import positive
from .outputs import require_writable, save_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla bench model`."""
    parser.add_argument("--config", choices=("tiny", "5b"), default="tiny", help="size (tiny)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="device (cpu)")
    parser.add_argument("--views", type=positive, help="cameras (tiny 2, 5b 3)")
    parser.add_argument("--size", type=positive, help="pixels of a view's side (tiny 96, 5b 224)")
    parser.add_argument("--steps", type=positive, help="Euler steps (tiny 2, 5b 5)")
    parser.add_argument(
        "--paths",
        type=lambda text: tuple(text.split(",")),
        help="some of plain,eager,compiled and, on cuda, graph,compiled graph (all; "
        "compiling takes minutes)",
    )
    parser.add_argument(
        "--passes", type=positive, default=200, help="measured passes of each path (200)"
    )
    parser.add_argument(
        "--no-sensitivity", action="store_true", help="only the chosen configuration"
    )
    parser.add_argument(
        "--profile", action="store_true", help="the shipped policy's operations instead, on a CPU"
    )
    parser.add_argument("--threads", type=positive, default=1, help="CPU threads (1)")
    parser.add_argument("--json", type=Path, help="write everything here too")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, and write the files named by options."""
    require_writable(arguments.json)
    from qwen_vla_eval.bench.model import measure_model, profile_policy, profile_report, report
    from qwen_vla_eval.tables import show

    if arguments.profile:
        result = profile_policy(arguments.passes, arguments.threads)
        show(profile_report(result))
        save_json(arguments.json, result)
        return 0
    result = measure_model(
        arguments.config,
        arguments.device,
        arguments.paths,
        arguments.passes,
        threads=arguments.threads,
        views=arguments.views,
        size=arguments.size,
        steps=arguments.steps,
        with_sensitivity=not arguments.no_sensitivity,
    )
    show(report(result))
    save_json(arguments.json, result)
    return 0
