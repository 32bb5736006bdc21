"""What this machine is and what it can do at best: memory bandwidth and rate of matrix products.

Both are measured in the same run as the model, with the same threads and clocks, so that the
bound derived from them is this machine's on this day.
"""

import importlib.metadata
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from .timing import synchronize

LIBRARIES = ("torch", "transformers", "flash-linear-attention", "causal-conv1d", "torchao")
"""Those that the speed depends on; a missing one is reported as such."""

PROBE_S = 0.3
"""How long each probe repeats its operation: long enough for a GPU to reach its clocks."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """The best that was seen."""

    bandwidth_gb_s: float
    matrix_tflop_s: float


def rates(device: torch.device, dtype: torch.dtype, weight_bytes: int) -> Rates:
    """Measure them.

    Args:
        dtype: of the matrices.
        weight_bytes: size of the model: what fits a cache is read as fast as from it.
    """
    # 2 GiB is far beyond any cache; more would only take longer.
    source = torch.zeros(min(weight_bytes, 2**31) // 4, device=device)
    target = torch.empty_like(source)
    read_s = _best_s(source.sum, device)
    copy_s = _best_s(lambda: target.copy_(source), device)
    size = 8192 if device.type == "cuda" else 1024
    a = torch.randn(size, size, device=device, dtype=dtype)
    b = torch.randn(size, size, device=device, dtype=dtype)
    c = torch.empty_like(a)
    matrix_s = _best_s(lambda: torch.mm(a, b, out=c), device)
    return Rates(
        bandwidth_gb_s=source.nbytes * max(1 / read_s, 2 / copy_s) / 1e9,
        matrix_tflop_s=2 * size**3 / matrix_s / 1e12,
    )


def _best_s(operation: Callable[[], object], device: torch.device) -> float:
    """Shortest duration of one call, seen from the host."""
    best_s, end_s = float("inf"), time.perf_counter() + PROBE_S
    while time.perf_counter() < end_s or best_s == float("inf"):
        synchronize(device)
        began_s = time.perf_counter()
        operation()
        synchronize(device)
        best_s = min(best_s, time.perf_counter() - began_s)
    return best_s


def describe(device: torch.device) -> dict[str, object]:
    """Names and versions that belong beside every figure."""
    found: dict[str, object] = {
        "device": device.type,
        "cpu": _cpu_name(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
    }
    if device.type == "cuda":
        gpu = torch.cuda.get_device_properties(device)
        found |= {"gpu": gpu.name, "gpu_gib": gpu.total_memory / 2**30, "cuda": torch.version.cuda}
    return found | {name: _version(name) for name in LIBRARIES}


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
