"""Carries a benchmark out: its processes ask a policy, or the expert, for what to do."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_sim.progress import progress_bar

from .benchmarks import Benchmark
from .clients import Client, carry_out
from .recorded import convert
from .results import Results

FILMS = 3
"""Films of successes, and of failures, that are kept for each task."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What is measured, or recorded.

    Attributes:
        tasks: names, see ``Benchmark.choose``.
        states: numbers of the initial states.
        policy: what is measured, in words.
        url: of the policy's server; None for the scripted expert.
        execute: steps of a chunk that are carried out before the next one is asked for.
        latency_ms: how late a chunk is; 0 stands still meanwhile, None for what it really takes.
        record: whether the expert's episodes are kept, to learn from; it is disturbed then.
        workers: processes.
    """

    benchmark: Benchmark
    tasks: Sequence[str]
    states: Sequence[int]
    policy: str
    url: str | None
    execute: int
    latency_ms: float | None
    record: bool
    workers: int

    @property
    def settings(self) -> dict[str, Any]:
        """What a result has to share with those beside it."""
        return {
            "benchmark": self.benchmark.name,
            "policy": self.policy,
            "execute": self.execute,
            "latency_ms": self.latency_ms,
            "record": self.record,
        }


def measure(what: Measurement, out: Path) -> Results:
    """Carry out the episodes that ``out`` lacks; may be interrupted and repeated.

    Raises:
        QwenVlaError: the benchmark is not installed, ``out`` has something else's results, or the
            policy fails.
    """
    benchmark = what.benchmark
    results = Results(out, what.settings)
    codec = EmbodimentCodec(load_embodiment(benchmark.embodiment))
    wanted = [(task, state) for task in what.tasks for state in what.states]
    jobs = [_job(what, out, *one) for one in wanted if results.lacks(*one)]
    if not jobs:
        return results
    python, module = benchmark.python, benchmark.module
    clients = [
        Client(python, module, what.url, out / "logs" / f"client_{k}.log")
        for k in range(min(what.workers, len(jobs)))
    ]
    with progress_bar(len(wanted), "episode", initial=len(wanted) - len(jobs)) as progress:
        for outcome in carry_out(clients, jobs):
            _keep(what, out, codec, outcome)
            results.add(outcome)
            done = sum(episode["success"] for episode in results.episodes)
            progress.set_postfix_str(f"{done} of {len(results.episodes)} succeed")
            progress.update()
    return results


def _job(what: Measurement, out: Path, task: str, state: int) -> dict[str, Any]:
    name = task.replace("/", "-")
    out = out.absolute()
    return {
        "task": task,
        "state": state,
        "execute": what.execute,
        "latency_s": None if what.latency_ms is None else what.latency_ms / 1e3,
        "film": None if what.record else str(out / "films" / f"{name}-{state}-{{}}.mp4"),
        "record": str(out / f".{name}-{state}.npz") if what.record else None,
        "disturbed": what.record,
    }


def _keep(what: Measurement, out: Path, codec: EmbodimentCodec, outcome: dict[str, Any]) -> None:
    """A recorded success becomes an episode; of films only some stay."""
    name, state = outcome["task"].replace("/", "-"), outcome["state"]
    if what.record:
        raw = out / f".{name}-{state}.npz"
        if outcome["success"]:
            convert(raw, out / f"{name}-{state}.npz", codec, outcome["instruction"], state)
        else:
            raw.unlink()
        return
    kinds = Counter()
    for film in sorted(
        (out / "films").glob(f"{name}-*.mp4"), key=lambda f: int(f.stem.split("-")[-2])
    ):
        kind = film.stem.rpartition("-")[2]
        kinds[kind] += 1
        if kinds[kind] > FILMS:
            film.unlink()
