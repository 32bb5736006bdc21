"""Where the milliseconds of a policy's chunk go: by kind of pass, and by operation."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.profiler import ProfilerActivity

from qwen_vla_core.execution import Prefix
from qwen_vla_core.observation.empty_scene import empty_scene

from ..policy import QwenVlaPolicy

UNDER_PROFILE = 3
"""Chunks that are profiled; profiling slows them down, so that times come from others."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """An operation of torch, in one chunk on average.

    Attributes:
        calls: how often it is called. self_ms: without what it calls itself.
    """

    name: str
    calls: float
    self_ms: float


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One kind of pass, in one way.

    Attributes:
        kind: ``continued`` after a short prefix, ``guided`` by one that is longer than the network
            was trained for.
        path: ``eager``, ``traced`` or ``graph``.
        median_ms, p99_ms: of a chunk, without the profiler.
        operations: most expensive first, under the profiler.
    """

    kind: str
    path: str
    median_ms: float
    p99_ms: float
    operations: tuple[Operation, ...]

    @property
    def calls(self) -> float:
        """Operations of a chunk."""
        return sum(operation.calls for operation in self.operations)


def profile(
    policy: QwenVlaPolicy, passes: int, on_pass: Callable[[], object] = lambda: None
) -> list[Profile]:
    """Each kind of pass as it is before the warm-up, eagerly, and after it.

    Args:
        policy: not warm yet.
    """
    robot = policy.processor.embodiment
    scene = empty_scene(robot)
    learned = policy.runtime.model.config.prefix_steps
    still_NC = np.zeros((robot.horizon - 1, len(robot.action_channels)), np.float32)
    kinds = {"continued": Prefix(actions_NC=still_NC[:1], committed=1)}
    if learned + 1 < robot.horizon:
        long = still_NC[: learned + 1]
        kinds["guided"] = Prefix(actions_NC=long, committed=learned + 1)
    found = []
    for warm in (False, True):
        if warm:
            policy.warm_up()
        for kind, prefix in kinds.items():
            found.append(
                _one(policy, kind, lambda p=prefix: policy.infer(scene, p), passes, on_pass)
            )
    return found


def _one(
    policy: QwenVlaPolicy,
    kind: str,
    chunk: Callable[[], object],
    passes: int,
    on_pass: Callable[[], object],
) -> Profile:
    took_ms = []
    for _ in range(passes):
        begin_s = time.perf_counter()
        chunk()
        took_ms.append((time.perf_counter() - begin_s) * 1e3)
        on_pass()
    with torch.profiler.profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(UNDER_PROFILE):
            chunk()
    operations = [
        Operation(
            name=entry.key,
            calls=entry.count / UNDER_PROFILE,
            self_ms=entry.self_cpu_time_total / 1e3 / UNDER_PROFILE,
        )
        for entry in profiler.key_averages()
        if entry.key.startswith("aten::")
    ]
    operations.sort(key=lambda operation: -operation.self_ms)
    return Profile(
        kind=kind,
        path=policy.runtime.path,
        median_ms=float(np.median(took_ms)),
        p99_ms=float(np.quantile(took_ms, 0.99)),
        operations=tuple(operations),
    )
