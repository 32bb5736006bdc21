"""Measure recorder_node: its share of a processor core, and what it loses.

Example:
  qwen-vla bench record
  qwen-vla bench record --seconds 60 --json record.json

Plays the drivers of an ALOHA over DDS: three cameras of 640 x 480 at 30 Hz and two arms at 100 Hz.
They are recorded twice: with raw images, which the recorder stores as JPEG, and with images that
the cameras' drivers have compressed.
"""

import argparse
import os
from pathlib import Path

from .arguments import embodiment_file, positive
from .outputs import require_writable, save_json

KINDS = ("raw", "jpeg")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla bench record`."""
    parser.add_argument(
        "--seconds", type=positive, default=20, help="length of each recording, s (20)"
    )
    parser.add_argument("--json", type=Path, help="write everything here too")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, and write the files named by options."""
    require_writable(arguments.json)
    from qwen_vla_eval.bench.record import measure_record, tables
    from qwen_vla_eval.tables import show
    from qwen_vla_sim.progress import progress_bar

    path = embodiment_file("aloha")
    results = []
    with progress_bar(arguments.seconds * len(KINDS), "s") as bar:
        for kind in KINDS:
            result = measure_record(path, kind, arguments.seconds, lambda second: bar.update(1))
            results.append(result)
    show(tables(results))
    save_json(arguments.json, {"cores": os.cpu_count(), "recordings": results})
    return 0
