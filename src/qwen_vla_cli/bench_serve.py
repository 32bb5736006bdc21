"""Measure a policy on another machine: round trip and throughput beside a call in the process.

Example:
  qwen-vla bench serve
  qwen-vla bench serve --robots 1,4,8 --gpu-ms 20 --json serve.json
  qwen-vla bench serve --url ws://gpu-machine:8000 --embodiment widowx

Without --url a server in another process is asked over loopback, whose policy only waits for
--gpu-ms: what is measured is the wire and the queue, with images of 224 x 224. `one at a time` is
the same server with a policy that cannot batch, as openpi's server works.
"""

import argparse
from pathlib import Path

from .arguments import embodiment_file, not_negative, positive
from .outputs import require_writable


def counts(text: str) -> list[int]:
    """Numbers from 1 on, with commas between them."""
    return [positive(part) for part in text.split(",")]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla bench serve`."""
    parser.add_argument("--embodiment", default="widowx", help="name or YAML file (widowx)")
    parser.add_argument(
        "--robots", type=counts, default=[1, 2, 4, 8], help="robots at once (1,2,4,8)"
    )
    parser.add_argument(
        "--requests", type=positive, default=200, help="of each robot, in each row (200)"
    )
    parser.add_argument(
        "--gpu-ms", type=not_negative, default=20, help="pretended time of one pass (20)"
    )
    parser.add_argument("--url", help="a server that runs, in the place of a pretended one")
    parser.add_argument("--json", type=Path, help="write everything here too")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, and write where asked."""
    from qwen_vla_core.embodiment import load_embodiment
    from qwen_vla_eval.bench.serve import measure_serve, measure_url, table
    from qwen_vla_eval.tables import show, write_json

    require_writable(arguments.json)
    robot = load_embodiment(embodiment_file(arguments.embodiment))
    wanted = arguments.robots, arguments.requests
    if arguments.url:
        measured = measure_url(arguments.url, robot, *wanted)
    else:
        measured = measure_serve(robot, *wanted, arguments.gpu_ms / 1e3)
    show([table(measured)])
    if arguments.json is not None:
        write_json(arguments.json, measured)
        print(f"the same as JSON: {arguments.json}")
    return 0
