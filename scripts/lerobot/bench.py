"""bench.py PYTHON: the shipped policy beside LeRobot's policies, in one run on this machine's CPU.

PYTHON is LeRobot's; `make bench-peers` sets it up. All run one after the other, in every round, so
that whatever else the machine does meets all of them; what is large does not run in every round.
The share of the bound is of computing time, which others' work lengthens less: how fast a policy's
operations are beside those of the fastest product of two matrices.
"""

import argparse
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress
from torch.utils.flop_counter import FlopCounterMode

from qwen_vla_core.embodiment import find_embodiment, load_embodiment
from qwen_vla_core.execution import Prefix
from qwen_vla_core.observation.empty_scene import empty_scene
from qwen_vla_core.resources import embodiments_directory
from qwen_vla_eval.tables import Table, show, write_json
from qwen_vla_model.policy import QwenVlaPolicy
from qwen_vla_model.speed.machine import describe

PEERS = ("act", "diffusion", "smolvla")
SIZES = ("cut", "own")
ROUND_OPERATIONS = 1e10
"""What has n times as many runs in every n-th round only."""
MATRIX = 1024
"""Side of the square matrices whose product says what the machine can do."""


@dataclass(kw_only=True)
class Runner:
    """Something that makes chunks.

    Attributes:
        run: makes one with so many threads, and returns how long that took and how much of it
            the process computed, all threads together, ms.
        operations: of a chunk, multiplications and additions of matrices and convolutions.
        took_ms: threads -> [wall, CPU] of each chunk.
    """

    name: str
    run: Callable[[int], list[float]]
    parameters: int
    operations: int
    horizon: int
    took_ms: dict[int, list[list[float]]] = field(default_factory=dict)


def ours(robot) -> tuple[Runner, dict]:
    """The shipped policy, from images and words to actions, and what peers have to be for it."""
    policy = QwenVlaPolicy.load(None, robot)
    view = robot.cameras[0]
    scene = empty_scene(robot, view.height, view.width)
    channels = len(robot.action_channels)
    prefix = Prefix(actions_NC=np.zeros((1, channels), np.float32), committed=1)
    with FlopCounterMode(display=False) as counter:  # of the eager pass, which is the same
        policy.infer(scene, prefix)
    policy.warm_up()

    def run(threads: int) -> list[float]:
        torch.set_num_threads(threads)
        begin_s, begin_cpu_s = time.perf_counter(), time.process_time()
        policy.infer(scene, prefix)
        wall_s, cpu_s = time.perf_counter() - begin_s, time.process_time() - begin_cpu_s
        return [wall_s * 1e3, cpu_s * 1e3]

    peer = {
        "views": len(robot.cameras),
        "pixels": view.width,
        "state": len(robot.state_channels),
        "actions": channels,
        "horizon": robot.horizon,
        "words": policy.runtime.tokens - len(policy.prepare_inputs([scene]).image_at),
    }
    parameters = sum(p.numel() for p in policy.runtime.model.parameters())
    return (
        Runner(
            name=f"qwen_vla, {policy.runtime.path}",
            run=run,
            parameters=parameters,
            operations=counter.get_total_flops(),
            horizon=robot.horizon,
        ),
        peer,
    )


@contextmanager
def theirs(python: str, robot: dict, sizes: list[str]) -> Iterator[list[Runner]]:
    """LeRobot's policies, in a process of their own."""
    script = Path(__file__).with_name("peers.py")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = {name: os.environ[name] for name in ("PATH", "HOME")}
    process = subprocess.Popen([python, script], env=environment, **pipes)

    def ask(**request) -> dict:
        print(json.dumps(request), file=process.stdin, flush=True)
        answer = process.stdout.readline()
        if not answer:
            raise SystemExit(f"{script.name} ended with {process.wait()}")
        return json.loads(answer)

    runners = []
    for size in sizes:
        for policy in PEERS:
            found = ask(robot=robot, policy=policy, size=size)
            number = len(runners)
            runners.append(
                Runner(
                    name=f"{policy}, {size} size",
                    run=lambda threads, n=number: [*ask(run=n, threads=threads).values()],
                    parameters=found["parameters"],
                    operations=found["operations"],
                    horizon=found["chunk"][1],
                )
            )
    yield runners
    process.stdin.close()
    process.wait()


def matrix_rate(threads: int) -> float:
    """Operations of a product of matrices in float32, in a ms of computing."""
    torch.set_num_threads(threads)
    a, b = torch.randn(2, MATRIX, MATRIX)
    begin_s = time.process_time()
    a @ b
    return 2 * MATRIX**3 / (time.process_time() - begin_s) / 1e3


def measure(runners: list[Runner], threads: list[int], rounds: int, title: str) -> dict:
    """Fill ``took_ms``; returns the machine's best rate by threads, as ``matrix_rate``."""
    best = dict.fromkeys(threads, 0.0)
    every = {r.name: max(1, round(r.operations / ROUND_OPERATIONS)) for r in runners}
    with Progress(transient=True) as progress:
        task = progress.add_task(title, total=rounds)
        for number in range(rounds):
            for count in threads:
                best[count] = max(best[count], matrix_rate(count))
                for runner in runners:
                    if not number % every[runner.name]:
                        runner.took_ms.setdefault(count, []).append(runner.run(count))
            progress.advance(task)
    return best


def table(runners: list[Runner], best: dict[int, float], title: str) -> Table:
    """Fastest first, by one thread."""
    rows = []
    for runner in sorted(runners, key=lambda r: np.median(r.took_ms[min(best)], axis=0)[0]):
        row = [runner.name, f"{runner.parameters / 1e6:.1f}", f"{runner.operations / 1e9:.2f}"]
        row.append(str(runner.horizon))
        for count, rate in best.items():
            wall_ms, cpu_ms = np.array(runner.took_ms[count]).T
            computed_ms = np.median(cpu_ms)
            row += [f"{ms:.1f}" for ms in (*np.percentile(wall_ms, (50, 99)), computed_ms)]
            row += [f"{runner.operations / rate / computed_ms:.0%}", str(len(wall_ms))]
        rows.append(row)
    columns = ["policy", "M parameters", "Gop", "steps"]
    for count in best:
        thread = f"{count} thread{'s' if count > 1 else ''}"
        columns += [f"{thread}: median ms", "p99", "CPU ms", "of the bound", "n"]
    return Table(title=title, columns=columns, rows=rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("python", help="LeRobot's interpreter")
    parser.add_argument("--robots", nargs="+", default=["aloha", "widowx"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=SIZES)
    parser.add_argument("--rounds", type=int, default=100, help="(100)")
    parser.add_argument("--json", type=Path, help="write every duration here")
    arguments = parser.parse_args()
    results = []
    for name in arguments.robots:
        robot = load_embodiment(find_embodiment(name, embodiments_directory()))
        mine, peer = ours(robot)
        with theirs(arguments.python, peer, arguments.sizes) as peers:
            runners = [mine, *peers]
            best = measure(runners, arguments.threads, arguments.rounds, name)
        rates = ", ".join(f"{rate / 1e6:.0f} ({count})" for count, rate in best.items())
        title = (
            f"{name}: {peer['views']} views of {peer['pixels']} px; matrix product, GFLOP in a "
            f"core's second (threads): {rates}"
        )
        show([table(runners, best, title)])
        results.append(
            {
                "robot": name,
                "peer": peer,
                "operations_a_ms": best,
                "policies": [
                    {k: v for k, v in vars(runner).items() if k != "run"} for runner in runners
                ],
            }
        )
    if arguments.json is not None:
        write_json(arguments.json, {"machine": describe(torch.device("cpu")), "robots": results})
        print(f"every duration is in {arguments.json}")


if __name__ == "__main__":
    main()
