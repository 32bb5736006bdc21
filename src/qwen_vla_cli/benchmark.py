"""Measure a policy in a benchmark that others wrote: gym-aloha, LIBERO, LIBERO-PRO.

Example:
  make benchmark-setup     # once: each benchmark in an environment of its own
  qwen-vla benchmark aloha --checkpoint runs/gym_aloha/checkpoint
  qwen-vla benchmark libero --task libero_object --task libero_spatial/3 --policy-url ws://gpu:8000
  qwen-vla benchmark aloha --expert --task transfer_cube             # our scripted expert
  qwen-vla benchmark aloha --expert --task transfer_cube --record --states 200 --out runs/gym_aloha

The benchmark's own initial states, step limits, success test and cameras. Its process asks the
policy over openpi's wire format, so any openpi-compatible server can be measured. --out gets
results.json with every episode, and some films of successes and failures; the same command goes
on where it was interrupted. --record writes what the expert did as episodes for a training, from
initial states of ours (10000 on), under disturbances. docs/benchmarks.md says what may be
concluded.
"""

import argparse
from pathlib import Path

from qwen_vla_core.errors import QwenVlaError

from .arguments import add_policy, add_workers, checkpoint_folder, not_negative, positive
from .outputs import output_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla benchmark`."""
    parser.add_argument("benchmark", choices=("aloha", "libero"), help="which one")
    parser.add_argument(
        "--task",
        action="append",
        help="task or suite; repeat it for several (all but LIBERO-PRO's)",
    )
    policy = parser.add_mutually_exclusive_group(required=True)
    add_policy(policy, "none")
    policy.add_argument("--expert", action="store_true", help="the scripted expert, no policy")
    parser.add_argument(
        "--states", type=positive, default=50, help="number of initial states of each task (50)"
    )
    parser.add_argument(
        "--first-state", type=not_negative, help="the first of them (0; with --record 10000)"
    )
    parser.add_argument(
        "--execute", type=positive, help="steps of a chunk before the next one (half of ours)"
    )
    parser.add_argument(
        "--latency-ms",
        type=not_negative,
        help="the simulation goes on for that long while a chunk is awaited (0)",
    )
    parser.add_argument(
        "--real-latency", action="store_true", help="or for as long as it really takes"
    )
    parser.add_argument("--record", action="store_true", help="write the expert's episodes")
    parser.add_argument("--out", type=Path, help="folder of the results (out/benchmark/NAME)")
    add_workers(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure or record, and show success by task."""
    from qwen_vla_core.embodiment import load_embodiment
    from qwen_vla_eval.benchmark.benchmarks import BENCHMARKS, FIRST_TRAINING_STATE
    from qwen_vla_eval.benchmark.results import table
    from qwen_vla_eval.benchmark.run import Measurement, measure
    from qwen_vla_eval.server_process import server_process
    from qwen_vla_eval.status_line import StatusLine
    from qwen_vla_eval.tables import show

    benchmark = BENCHMARKS[arguments.benchmark]
    tasks = benchmark.choose(arguments.task or (), arguments.expert)
    if arguments.record and not arguments.expert:
        raise QwenVlaError("--record writes what the expert did: it needs --expert")
    if arguments.latency_ms and arguments.real_latency:
        raise QwenVlaError("--latency-ms and --real-latency exclude each other")
    benchmark.python  # noqa: B018  refused here if it is not installed
    first = arguments.first_state
    if first is None:
        first = FIRST_TRAINING_STATE if arguments.record else 0
    out = _out(arguments)
    policy = "expert" if arguments.expert else str(arguments.checkpoint or arguments.policy_url)
    latency_ms = None if arguments.real_latency else float(arguments.latency_ms or 0)

    def measured(url: str | None):
        return measure(
            Measurement(
                benchmark=benchmark,
                tasks=tasks,
                states=range(first, first + arguments.states),
                policy=policy,
                url=url,
                execute=arguments.execute or load_embodiment(benchmark.embodiment).horizon // 2,
                latency_ms=latency_ms,
                record=arguments.record,
                workers=arguments.workers,
            ),
            out,
        )

    with output_folder(out):
        if arguments.checkpoint is None:
            results = measured(arguments.policy_url)
        else:
            folder, log = checkpoint_folder(arguments.checkpoint), out / "logs" / "server.log"
            with server_process(folder, [benchmark.embodiment], log, StatusLine()) as url:
                results = measured(url)
    show([table(results.episodes, f"{benchmark.name}: {policy}")])
    print(f"every episode is in {results.file}")
    return 0


def _out(arguments: argparse.Namespace) -> Path:
    return arguments.out or Path("out", "benchmark", arguments.benchmark)


def when_interrupted(arguments: argparse.Namespace) -> str:
    """What is there and how to go on."""
    return f"what was done is in {_out(arguments)}; the same command goes on with the rest"
