"""What every page gets first: the robot as it is described, which does not change."""

from typing import Any

import numpy as np

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.schema import Joint
from qwen_vla_core.scene import (
    COMMITTED,
    EXECUTED,
    LIMIT,
    MODE_COLOURS,
    OLD,
    robot_urdf,
    time_colours,
)


def hello(embodiment: Embodiment, *, simulated: bool) -> dict[str, Any]:
    """JSON of a robot: joints with their limits, cameras, shapes, colours of the scene."""
    return {
        "type": "hello",
        "robot": embodiment.name,
        "simulated": simulated,
        "joints": [
            {
                "name": joint.name,
                "group": group.name,
                **_range(joint, group.is_base),
            }
            for group in embodiment.groups
            for joint in group.joints
        ],
        "cameras": [
            {"name": camera.name, "topic": camera.topic, "depth": camera.is_depth}
            for camera in embodiment.cameras
        ],
        "arms": [group.name for group in embodiment.groups if group.teleop_kind == "tool"],
        "has_base": embodiment.base is not None,
        "urdf": robot_urdf(embodiment),
        "colours": {
            "committed": COMMITTED,
            "executed": EXECUTED,
            "limit": LIMIT,
            "old": OLD,
            "modes": dict(MODE_COLOURS),
            "plan": time_colours(np.linspace(0.0, 1.0, 9), 1.0).round(3).tolist(),
        },
    }


def _range(joint: Joint, of_base: bool) -> dict[str, Any]:
    """What a joint is drawn in: its limits; those of its speed for a base, which has no others."""
    if of_base:
        return {"unit": f"{joint.unit}/s", "lower": -joint.velocity, "upper": joint.velocity}
    return {"unit": joint.unit, "lower": joint.lower, "upper": joint.upper}
