"""Measure a policy on another machine: round trip and throughput beside a call in the process.

Example:
  qwen-vla bench serve
  qwen-vla bench serve --robots 1,4,8 --gpu-ms 20 --json serve.json --figure serve.png
  qwen-vla bench serve --ray                             # a fleet that Ray runs, too
  qwen-vla bench serve --url ws://gpu-machine:8000 --embodiment widowx
  qwen-vla bench serve --soak-minutes 30 --robots 4      # what is lost, how memory grows

Without --url a server in another process is asked over loopback, whose policy only waits for
--gpu-ms: what is measured is the wire and the queue, with images of 224 x 224. Beside it openpi's
own protocol loop with the same policy, one request at a time. Each robot is a process that asks
again as soon as it has an answer. How many requests a pass answers is what a robot costs of a GPU.
"""

import argparse
from pathlib import Path

from qwen_vla_core.errors import QwenVlaError

from .arguments import embodiment_file, not_negative, positive
from .outputs import require_writable, save_json

MOST_GROWTH = 0.02
"""Largest growth of the memory of the server, or of a robot's process, in a soak test."""


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
        "--requests", type=positive, default=200, help="requests of each robot in each row (200)"
    )
    parser.add_argument(
        "--gpu-ms", type=not_negative, default=20, help="pretended time of one pass (20)"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--url", help="a server that runs, in the place of a pretended one")
    how.add_argument("--ray", action="store_true", help="measure a fleet that Ray runs as well")
    how.add_argument("--soak-minutes", type=positive, help="ask for this many minutes instead")
    parser.add_argument("--json", type=Path, help="write everything here too")
    parser.add_argument("--figure", type=Path, help="draw latency and batches here, PNG")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, and write where asked."""
    require_writable(arguments.json)
    require_writable(arguments.figure)
    from qwen_vla_core.embodiment import load_embodiment
    from qwen_vla_eval.bench.serve import measure_serve, measure_url, table
    from qwen_vla_eval.bench.serve_figure import draw_serve
    from qwen_vla_eval.fleet import require_ray
    from qwen_vla_eval.tables import show

    if arguments.figure is not None and arguments.soak_minutes:
        raise QwenVlaError("--soak-minutes has no --figure: leave one of them out")
    robot = load_embodiment(embodiment_file(arguments.embodiment))
    wanted, status = (arguments.robots, arguments.requests), 0
    if arguments.soak_minutes:
        measured, status = _soak(robot, arguments)
    elif arguments.url:
        measured = measure_url(arguments.url, robot, *wanted)
    else:
        if arguments.ray:
            require_ray()
        measured = measure_serve(robot, *wanted, arguments.gpu_ms / 1e3, arguments.ray)
    if "results" in measured:
        show([table(measured), *measured["goals"]])
        if arguments.figure is not None:
            draw_serve(measured, arguments.figure)
            print(f"as a figure: {arguments.figure}")
    save_json(arguments.json, measured)
    return status


def _soak(robot, arguments: argparse.Namespace) -> tuple[dict, int]:
    from qwen_vla_eval.bench.serve import soak

    count, minutes = max(arguments.robots), arguments.soak_minutes
    print(f"{count} robots ask for {minutes} minutes", flush=True)
    measured = soak(robot, count, 60.0 * minutes, arguments.gpu_ms / 1e3)
    print(
        f"{measured['answers']} answers and none lost, the longest after "
        f"{measured['longest_ms']:.0f} ms"
    )
    growth = measured["memory_growth"]
    for name, mib in measured["memory_mib"].items():
        print(f"{name}: {mib:.0f} MiB, grown by {growth[name]:.1%} (goal: {MOST_GROWTH:.0%})")
    return measured, int(max(growth.values()) > MOST_GROWTH)
