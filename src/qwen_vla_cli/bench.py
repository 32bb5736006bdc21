"""Measure this machine: latencies, rates and memory of nodes, model, server and simulator.

Example:
  qwen-vla bench control --trials 20
  qwen-vla bench model --help
"""

import argparse

from . import (
    bench_chunks,
    bench_control,
    bench_gpu,
    bench_handover,
    bench_model,
    bench_record,
    bench_serve,
    bench_sim,
)
from .parser import add_command

BENCHES = {
    "chunks": bench_chunks,
    "control": bench_control,
    "handover": bench_handover,
    "model": bench_model,
    "gpu": bench_gpu,
    "record": bench_record,
    "serve": bench_serve,
    "sim": bench_sim,
}
"""Name of a bench -> its module, which has ``add_arguments`` and ``run`` like a command."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-command for each bench."""
    subparsers = parser.add_subparsers(dest="bench", required=True, metavar="BENCH")
    for name, module in BENCHES.items():
        add_command(subparsers, name, module)


def run(arguments: argparse.Namespace) -> int:
    """Run the bench that was named."""
    return BENCHES[arguments.bench].run(arguments)


def when_interrupted(arguments: argparse.Namespace) -> str:
    """What is there and how to go on."""
    return "no result was written" if arguments.bench != "gpu" else f"see {arguments.out}"
