"""Turn weights of others, the same network under other names, into a checkpoint.

Example:
  qwen-vla import downloads/qwen_vla --map config/imports/qwen_vla.yaml --dry-run \\
      --stats downloads/qwen_vla/statistics.json --out runs/imported
  qwen-vla import owner/model --map names.yaml --stats statistics.json --out runs/imported

What matched, what is missing or left over and what has another shape is printed before anything
is written, and as long as there is any of these nothing is.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla import`."""
    parser.add_argument("name", metavar="WEIGHTS", help="a folder, or owner/model on the hub")
    parser.add_argument(
        "--map", type=Path, required=True, help="names of theirs to ours, see config/imports/"
    )
    parser.add_argument(
        "--stats", type=Path, required=True, help="q01 and q99 of each robot's actions, JSON"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--dry-run", action="store_true", help="end after the report")


def run(arguments: argparse.Namespace) -> int:
    """Compare, report, and write where everything fits."""
    from qwen_vla_model.importing import Import

    found = Import(arguments.name, arguments.map, arguments.stats)
    print("\n".join(found.match.report()), flush=True)
    if arguments.dry_run:
        return 0
    found.write(arguments.out)
    robots = ", ".join(found.embodiments)
    print(f"{arguments.out} is a checkpoint for {robots}; measure it: qwen-vla evaluate")
    return 0
