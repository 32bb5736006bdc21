"""The phases of one pass of the model, beside the least that this machine allows."""

import dataclasses
from collections.abc import Iterator, Sequence

from qwen_vla_core.errors import QwenVlaError

from ..tables import Table

SHOWN_OPERATIONS = 12
SENSITIVITY_PASSES = 50
"""Measured passes of each row of the sensitivity table, where --passes gives more."""


def measure_model(
    name: str,
    device: str,
    paths: Sequence[str] | None,
    passes: int,
    *,
    threads: int,
    views: int | None = None,
    size: int | None = None,
    steps: int | None = None,
    with_sensitivity: bool = True,
) -> dict:
    """One size of the model on one device, with the given views, pixels and Euler steps.

    Raises:
        QwenVlaError: no such device or path here, or a size that the model cannot have.
    """
    import torch

    from qwen_vla_model.speed.bench import CONFIGS, PATHS, SHAPES

    require_device(device)
    possible = PATHS[device]
    paths = paths or possible
    if unknown := set(paths) - set(possible):
        raise QwenVlaError(
            f"--paths: no {', '.join(sorted(unknown))} on {device}; "
            f"there are: {', '.join(possible)}"
        )
    torch.set_num_threads(threads)
    config = CONFIGS[name]()
    if steps is not None:
        config = config.model_copy(update={"euler_steps": steps})
    changes = {"views": views, "size": size}
    shape = dataclasses.replace(
        SHAPES[name], **{k: v for k, v in changes.items() if v is not None}
    )
    try:
        return measure(
            name, config, shape, device, paths, passes, with_sensitivity=with_sensitivity
        )
    except ValueError as error:
        raise QwenVlaError(str(error)) from error


def require_device(device: str) -> None:
    """Refuse what is not there.

    Raises:
        QwenVlaError: no CUDA device.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise QwenVlaError(
            "there is no CUDA device here; `--device cpu` measures this machine, and the full "
            "size needs a GPU of 24 GB or more"
        )


def measure(
    name: str,
    config,
    shape,
    device: str,
    paths: Sequence[str],
    passes: int,
    *,
    with_sensitivity: bool,
    out_of_time=lambda: False,
) -> dict:
    """Run all cases under a progress bar; everything in the result can be JSON.

    Args:
        out_of_time: called before each case; once true, the rest is left out and named.
    """
    import torch
    from rich.progress import Progress

    from qwen_vla_model.speed.bench import Bench, by_path, sensitivity

    todo = [(case, passes) for case in by_path(name, config, shape, device, paths)]
    if with_sensitivity:
        fewer = min(passes, SENSITIVITY_PASSES)
        todo += [(case, fewer) for case in sensitivity(name, todo[0][0], device)]
    measured, left_out = [], []
    with Progress(transient=True) as progress:
        task = progress.add_task("building the model", total=sum(n for _, n in todo))
        bench = Bench(config, torch.device(device), todo[0][0].weights)
        head = bench.describe()
        for case, n in todo:
            if out_of_time():
                left_out.append(case.label)
                continue
            progress.update(task, description=case.label)
            measured.append(bench.run(case, n, lambda: progress.advance(task)))
    return head | {
        "config": name,
        "paths": measured[: len(paths)],
        "sensitivity": measured[len(paths) :],
        "left_out": left_out,
    }


def report(result: dict) -> Iterator[str | Table]:
    """What a person reads: the machine, the paths, their phases, and what each choice costs."""
    machine, model = result["machine"], result["model"]
    yield (
        f"{machine.get('gpu', machine['cpu'])}, {machine['threads']} threads, torch "
        f"{machine['torch']}; {machine['bandwidth_gb_s']:.0f} GB/s, "
        f"{machine['matrix_tflop_s']:.3g} TFLOP/s; flash-linear-attention "
        f"{machine['flash-linear-attention']}, causal-conv1d {machine['causal-conv1d']}\n"
        f"{result['config']}: {model['parameters_m']:.1f} M parameters, "
        f"{model['weight_mb']:.0f} MB as {model['weights']}\n"
    )
    paths = [path for path in result["paths"] if "failed" not in path]
    if paths:
        yield _totals(paths)
        yield _phases(paths)
    rows = [row for row in result["sensitivity"] if "failed" not in row]
    if rows:
        yield _sensitivity(rows)
    for row in (*result["paths"], *result["sensitivity"]):
        if "failed" in row:
            yield f"{row['label']} failed: {row['failed']}\n"
    if result["left_out"]:
        yield f"left out, no time: {', '.join(result['left_out'])}\n"


def _totals(paths: Sequence[dict]) -> Table:
    """The paths beside each other; the ratio to the bound is the last path's measure of room."""
    case, plain = paths[0], _median(next((p for p in paths if p["label"] == "plain"), {}))
    bound_ms = case["bound"]["total"]["bound_ms"]
    rows = []
    for path in paths:
        t = path["phases"]["total"]
        rows.append(
            [
                path["label"],
                *(f"{t[key]:.2f}" for key in ("median_ms", "p90_ms", "p99_ms")),
                str(t["n"]),
                f"{plain / t['median_ms']:.2f}",
                f"{t['median_ms'] / bound_ms:.1f}",
                f"{path['warm_up_ms'][0]:.0f}",
                f"{path['prepared_s']:.1f}",
                f"{path['peak_mib']:.0f}",
            ]
        )
    shape = case["shape"]
    return Table(
        title=(
            f"{shape['views']} views of {shape['size']} px, {case['tokens']} tokens, "
            f"{case['steps']} Euler steps, {case['context']} context; bound {bound_ms:.2f} ms"
        ),
        columns=(
            *("path", "median ms", "p90", "p99", "n", "x as fast as plain", "x bound"),
            *("first pass ms", "warm-up s", "peak MiB"),
        ),
        rows=rows,
    )


def _phases(paths: Sequence[dict]) -> Table:
    """Medians by phase, on every path."""
    names: list[str] = []
    for path in sorted(paths, key=lambda path: -len(path["phases"])):
        before = -1
        for name in path["phases"]:
            if name not in names:
                names.insert(before + 1, name)
            before = names.index(name)
    rows = []
    for name in names:
        bound = paths[0]["bound"].get(name)
        row = ["", "", ""]
        if bound is not None:
            row = [
                f"{bound['bound_ms']:.3f}",
                f"{bound['weight_bytes'] / 1e6:.1f}",
                f"{bound['operations'] / 1e9:.3g}",
            ]
        for path in paths:
            t = path["phases"].get(name)
            row.append(
                "" if t is None else "{median_ms:.2f} {p90_ms:.2f} {p99_ms:.2f}".format(**t)
            )
        rows.append([name, *row])
    return Table(
        title="phases, ms: median p90 p99",
        columns=("phase", "bound ms", "MB read", "Gop", *(path["label"] for path in paths)),
        rows=rows,
    )


def _sensitivity(rows: Sequence[dict]) -> Table:
    """What each choice costs."""
    body = []
    for row in rows:
        t, bound_ms = row["phases"]["total"], row["bound"]["total"]["bound_ms"]
        robots = row["shape"]["batch"]
        body.append(
            [
                row["label"],
                str(row["tokens"]),
                *(f"{t[key]:.2f}" for key in ("median_ms", "p90_ms", "p99_ms")),
                str(t["n"]),
                f"{bound_ms:.2f}",
                f"{t['median_ms'] / bound_ms:.1f}",
                f"{t['median_ms'] / robots:.2f}",
                f"{row['peak_mib']:.0f}",
            ]
        )
    return Table(
        title=f"one choice changed at a time, {rows[0]['path']}",
        columns=(
            *("changed", "tokens", "median ms", "p90", "p99", "n", "bound ms", "x bound"),
            *("ms per robot", "peak MiB"),
        ),
        rows=body,
    )


def profile_policy(passes: int, threads: int, checkpoint: str | None = None) -> dict:
    """The shipped policy's chunk on a WidowX, as ``profile`` of the model's package has it."""
    from rich.progress import Progress

    from qwen_vla_core.embodiment import find_embodiment, load_embodiment
    from qwen_vla_core.resources import embodiments_directory
    from qwen_vla_model.policy import QwenVlaPolicy
    from qwen_vla_model.speed.profile import profile

    robot = load_embodiment(find_embodiment("widowx", embodiments_directory()))
    policy = QwenVlaPolicy.load(checkpoint, robot, threads=threads)
    with Progress(transient=True) as progress:
        task = progress.add_task("profile", total=None)
        found = profile(policy, passes, lambda: progress.advance(task))
    return {"profiles": [dataclasses.asdict(one) | {"calls": one.calls} for one in found]}


def profile_report(result: dict) -> Iterator[str | Table]:
    """What a person reads of ``profile_policy``."""
    profiles = result["profiles"]
    yield Table(
        title="a chunk of the shipped policy on a WidowX, one for each kind of pass",
        columns=("pass", "path", "median ms", "p99", "operations"),
        rows=[
            [
                one["kind"],
                one["path"],
                f"{one['median_ms']:.2f}",
                f"{one['p99_ms']:.2f}",
                f"{one['calls']:.0f}",
            ]
            for one in profiles
        ],
    )
    for one in profiles:
        total = sum(operation["self_ms"] for operation in one["operations"])
        yield Table(
            title=f"{one['kind']}, {one['path']}: operations, under the profiler",
            columns=("operation", "calls", "ms", "share"),
            rows=[
                [
                    operation["name"],
                    f"{operation['calls']:.0f}",
                    f"{operation['self_ms']:.2f}",
                    f"{operation['self_ms'] / total:.0%}",
                ]
                for operation in one["operations"][:SHOWN_OPERATIONS]
            ],
        )


def _median(path: dict) -> float:
    return path["phases"]["total"]["median_ms"] if path else float("nan")
