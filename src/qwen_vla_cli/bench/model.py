"""Measure the model stage by stage, beside the least that this machine allows.

Example:
  qwen-vla bench model --config tiny --device cpu
  qwen-vla bench model --config 5b --device cuda --views 3 --size 224 --json model.json

Weights are random: they do not change the time. `plain` is the straightforward program,
transformers' own forward with the expert's context computed anew in each Euler step. The bound is
the larger of bytes of weights / memory bandwidth and operations / matrix rate, both measured in
the same run.
"""

import argparse
import dataclasses
import json
from pathlib import Path

from qwen_vla_core.errors import QwenVlaError

from ..arguments import positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla bench model`."""
    parser.add_argument("--config", choices=("tiny", "5b"), default="tiny", help="size (tiny)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where (cpu)")
    parser.add_argument("--views", type=positive, help="cameras (tiny 2, 5b 3)")
    parser.add_argument("--size", type=positive, help="pixels of a view's side (tiny 96, 5b 224)")
    parser.add_argument("--steps", type=positive, help="Euler steps (5)")
    parser.add_argument(
        "--passes", type=positive, default=200, help="measured passes of each path (200)"
    )
    parser.add_argument("--threads", type=positive, default=1, help="CPU threads (1)")
    parser.add_argument("--json", type=Path, help="write everything here too")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, and write where asked."""
    import torch
    from rich.console import Console
    from rich.progress import Progress

    from qwen_vla_model.speed.bench import CONFIGS, SHAPES, bench_model

    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise QwenVlaError("there is no CUDA device here; use --device cpu")
    torch.set_num_threads(arguments.threads)
    config = CONFIGS[arguments.config]()
    if arguments.steps is not None:
        config = config.model_copy(update={"euler_steps": arguments.steps})
    changes = {"views": arguments.views, "size": arguments.size}
    shape = dataclasses.replace(
        SHAPES[arguments.config], **{k: v for k, v in changes.items() if v is not None}
    )
    with Progress(transient=True) as progress:
        task = progress.add_task("measuring", total=2 * arguments.passes)
        try:
            result = bench_model(
                config,
                shape,
                torch.device(arguments.device),
                arguments.passes,
                lambda: progress.advance(task),
            )
        except ValueError as error:
            raise QwenVlaError(str(error)) from error
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(result, indent=1))
    console = Console()
    for table in tables(result):
        console.print(table)
    return 0


def tables(result: dict):
    """What a person reads: the machine, then one table of stages for each path."""
    from rich.table import Table

    machine, model, shape = result["machine"], result["model"], result["shape"]
    yield (
        f"{machine.get('gpu', machine['cpu'])}, {machine['threads']} threads, torch "
        f"{machine['torch']}; {machine['bandwidth_gb_s']:.0f} GB/s, "
        f"{machine['matrix_tflop_s']:.3g} TFLOP/s {model['dtype']}\n"
        f"{model['parameters_m']:.1f} M parameters, {model['weight_mb']:.0f} MB, "
        f"{model['context']} context; {shape['views']} views of {shape['size']} px, "
        f"{shape['tokens']} tokens, "
        f"{model['euler_steps']} Euler steps, batch {shape['batch']}"
    )
    totals = {path["path"]: path["stages"]["total"]["median_ms"] for path in result["paths"]}
    for path in result["paths"]:
        name = path["path"]
        first, last = path["warm_up_ms"][0], path["warm_up_ms"][-1]
        table = Table(
            title=f"{name}: {totals['plain'] / totals[name]:.2f} x as fast as plain; peak "
            f"{path['peak_mib']:.0f} MiB; warm-up {first:.0f} ms, then {last:.1f} ms"
        )
        table.add_column("stage")
        for column in ("median ms", "p90", "p99", "n", "bound ms", "x bound", "MB", "Gop"):
            table.add_column(column, justify="right")
        for stage, t in path["stages"].items():
            row = [f"{t[key]:.2f}" for key in ("median_ms", "p90_ms", "p99_ms")] + [str(t["n"])]
            bound = result["bound"].get(stage)
            if bound is not None and bound["bound_ms"] > 0:
                row += [
                    f"{bound['bound_ms']:.3f}",
                    f"{t['median_ms'] / bound['bound_ms']:.1f}",
                    f"{bound['weight_bytes'] / 1e6:.1f}",
                    f"{bound['operations'] / 1e9:.3g}",
                ]
            table.add_row(stage, *row)
        yield table
