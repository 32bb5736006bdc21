"""Durations of the phases of one pass: host clock on a CPU, CUDA events on a GPU."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

TOTAL = "total"
"""Name of the whole pass, from its call to the moment its result is there."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Statistics over the passes of one phase, ms."""

    median_ms: float
    p90_ms: float
    p99_ms: float
    n: int

    @classmethod
    def of(cls, durations_ms: np.ndarray) -> "Timing":
        """From the durations of all passes, at least one."""
        median, p90, p99 = np.percentile(durations_ms, (50, 90, 99))
        return cls(
            median_ms=float(median), p90_ms=float(p90), p99_ms=float(p99), n=len(durations_ms)
        )


def synchronize(device: torch.device) -> None:
    """Wait until the device has done everything it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(
    phases: Mapping[str, Callable[[], object]],
    device: torch.device,
    passes: int,
    on_pass: Callable[[], object] = lambda: None,
) -> dict[str, Timing]:
    """Run ``phases`` in order, ``passes`` times, and time each; nothing is left out.

    On a GPU a phase lasts from the end of the one before it to its own end on the device, and
    the total is seen from the host: it holds the launches and the last wait.

    Args:
        on_pass: called after each pass, untimed.
    """
    spans_ms = np.empty((passes, len(phases)))
    total_ms = np.empty(passes)
    for i in range(passes):
        synchronize(device)
        began_s = time.perf_counter()
        marks = [_mark(device)]
        for phase in phases.values():
            phase()
            marks.append(_mark(device))
        synchronize(device)
        total_ms[i] = 1e3 * (time.perf_counter() - began_s)
        spans_ms[i] = [_between_ms(*pair) for pair in zip(marks, marks[1:], strict=False)]
        on_pass()
    timings = {name: Timing.of(spans_ms[:, k]) for k, name in enumerate(phases)}
    return timings | {TOTAL: Timing.of(total_ms)}


def warm_up(
    phases: Mapping[str, Callable[[], object]], device: torch.device, passes: int
) -> list[float]:
    """Run ``phases`` untimed by ``measure``; how long each pass took, ms, the first one first."""
    taken_ms = []
    for _ in range(passes):
        began_s = time.perf_counter()
        for phase in phases.values():
            phase()
        synchronize(device)
        taken_ms.append(1e3 * (time.perf_counter() - began_s))
    return taken_ms


def _mark(device: torch.device):
    if device.type != "cuda":
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def _between_ms(first, second) -> float:
    return 1e3 * (second - first) if isinstance(first, float) else first.elapsed_time(second)
