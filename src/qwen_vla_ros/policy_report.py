"""What policy_node reports on /diagnostics."""

from collections.abc import Mapping

import numpy as np

from qwen_vla_core.execution import PolicyLoop

from . import diagnostics


def status(
    problem: str, lacking: str, late: str, model: Mapping[str, object]
) -> tuple[bytes, str]:
    """Level and message.

    Args:
        problem: why no chunk comes, or why it should not.
        lacking: what this machine lacks.
        late: why chunks come late.
        model: the policy's ``diagnostics``.
    """
    if problem or lacking:
        return diagnostics.ERROR, "; ".join(filter(None, (problem, lacking, late)))
    if late:
        return diagnostics.WARN, late
    if model.get("eager_fallbacks") and model["path"] == "eager":
        return diagnostics.WARN, f"slow, not as prepared: {model['why_eager']}"
    return diagnostics.OK, "running"


def loop_values(loop: PolicyLoop) -> dict[str, object]:
    """Instruction, chunks, how long inferences took, and the delay that is planned for."""
    latency_ms = np.array(list(loop.latencies_s) or [np.nan]) * 1e3
    p50_ms, p90_ms, p99_ms = (float(q) for q in np.percentile(latency_ms, (50, 90, 99)))
    return {
        "instruction": loop.instruction,
        "chunks": loop.chunks,
        "inference_p50_ms": p50_ms,
        "inference_p90_ms": p90_ms,
        "inference_p99_ms": p99_ms,
        "inference_max_ms": float(latency_ms.max()),
        "delay_steps": loop.delay.steps(),
        "prefix_steps": loop.prefix_steps,
    }
