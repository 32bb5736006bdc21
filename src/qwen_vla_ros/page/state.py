"""What a page draws, ten times a second, as JSON."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from qwen_vla_core.modes import split_mode
from qwen_vla_core.scene import as_json, plan_words

from ..robot_inputs import RobotInputs

DECIMALS = 4

SHOWN = (
    "inference_p50_ms",
    "inference_p99_ms",
    "delay_steps",
    "lateness_p50_ms",
    "lateness_p99_ms",
    "max_speed_scale",
    "device",
)
"""What a page shows of the diagnostics' values; all of them are several kB of each state."""


def page_state(
    inputs: RobotInputs,
    *,
    ros_s: float,
    services: Sequence[str],
    holder: int | None,
    guarded: bool,
) -> dict[str, Any]:
    """Everything that changes.

    Args:
        inputs: what was received. ros_s: now, ROS time, s.
        services: which requests somebody answers.
        holder: the page that holds the keys. guarded: whether a page guards autonomy.
    """
    mode, reason = split_mode(inputs.mode)
    control, instruction = inputs.nodes.get("control_node"), inputs.instruction
    scene = inputs.scene(ros_s)
    drawn = as_json(scene)
    for key in ("status", "commanded", "stamp_s"):  # they are here already, in more detail
        drawn.pop(key)
    steady_s = time.monotonic()
    return {
        "type": "state",
        "time": round(ros_s, 3),
        "mode": mode,
        "reason": reason,
        "silent_s": _finite(inputs.control_silent_s),
        "commanding": control.values.get("commanding") == "True" if control else None,
        "dry_run": control.values.get("dry_run") == "True" if control else False,
        "instruction": instruction,
        "streams": inputs.ages(ros_s),
        "nodes": [
            {
                "name": report.name,
                "level": report.level,
                "message": report.message,
                "values": {key: report.values[key] for key in SHOWN if key in report.values},
                "age": round(steady_s - report.received_s, 1),
            }
            for report in sorted(inputs.nodes.values(), key=lambda report: report.name)
        ],
        "services": list(services),
        "holder": holder,
        "guarded": guarded,
        "measured": _list(inputs.measured_D),
        "command": _list(inputs.command_D),
        "chunk": _chunk(inputs),
        "next": plan_words(scene),
        "scene": drawn,
    }


def _chunk(inputs: RobotInputs) -> dict[str, Any] | None:
    chunk, plan_TD = inputs.chunk, inputs.plan_TD
    if chunk is None or plan_TD is None:
        return None
    return {
        "stamp": round(chunk.stamp_s, 3),
        "step": chunk.step_s,
        "positions": np.round(plan_TD, DECIMALS).tolist(),
    }


def _list(values_D: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), DECIMALS) for value in values_D]


def _finite(value: float) -> float | None:
    return round(value, 2) if np.isfinite(value) else None
