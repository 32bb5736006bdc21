"""Measure the jump at a chunk boundary: real-time chunking beside what else is done.

Example:
  qwen-vla bench chunks --episodes 50 --json chunks.json

The shipped policy drives the simulated robot. Every few action steps it observes, and from each
observation all methods answer, given the same chunk in use. The boundary is the moment at which
the answer is there, `delay` action steps after its observation: until then the robot follows the
old plan, from then on the new one. The jump of position is how far apart the two plans are at
that moment. The jump of velocity is the change from the last step on the old plan to the step
from there onto the new one; it contains what a jump of position makes the robot catch up. Both
are those of the joint (rad) that jumps farthest. Plans are compared as they leave the policy;
control_node fades and limits on top of that.

  no switch   the old plan simply goes on: what the motion itself changes
  naive       a fresh chunk, predicted without the old one
  ensemble    the mean of all chunks that cover the moment (ACT's temporal ensembling)
  guidance    inference-time real-time chunking, for checkpoints trained without prefixes
  prefix      training-time real-time chunking, as the shipped checkpoint does it
"""

import argparse
from pathlib import Path

from .arguments import (
    add_checkpoint,
    add_workers,
    checkpoint_folder,
    embodiment_file,
    not_negative,
    positive,
)
from .outputs import require_writable, save_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla bench chunks`."""
    parser.add_argument("--embodiment", default="widowx", help="name or YAML file (widowx)")
    add_checkpoint(parser)
    parser.add_argument(
        "--episodes", type=positive, default=50, help="episodes, of about 4 boundaries each (50)"
    )
    parser.add_argument("--seed", type=not_negative, default=0, help="seed of the first scene (0)")
    add_workers(parser)
    parser.add_argument("--json", type=Path, help="write everything here too")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, and write the files named by options."""
    require_writable(arguments.json)
    from qwen_vla_eval.bench.chunks import measure_chunks, table
    from qwen_vla_eval.tables import show

    result = measure_chunks(
        embodiment_file(arguments.embodiment),
        checkpoint_folder(arguments.checkpoint),
        range(arguments.seed, arguments.seed + arguments.episodes),
        arguments.workers,
    )
    show([table(result)])
    save_json(arguments.json, result)
    return 0
