"""The units of a stock openpi client: a gripper is 0 closed and 1 open, all else rad and m.

They are those of ALOHA in openpi (examples/aloha_real/real_env.py), with its order of joints where
the embodiment has it, so that such a robot is served as it is.
"""

import numpy as np

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.schema import Gripper

OPENING = "0 closed .. 1 open"


def stock_units(robot: Embodiment) -> tuple[str, ...]:
    """The unit of each joint, in words."""
    return tuple(
        OPENING if isinstance(group.action, Gripper) else joint.unit
        for group in robot.groups
        for joint in group.joints
    )


def from_stock(robot: Embodiment, values_D: np.ndarray) -> np.ndarray:
    """Joint positions [..., D] in rad and m from a stock client's."""
    closed_D, span_D = _scale(robot)
    return closed_D + values_D * span_D


def to_stock(robot: Embodiment, positions_D: np.ndarray) -> np.ndarray:
    """The inverse, for [..., D]."""
    closed_D, span_D = _scale(robot)
    return (positions_D - closed_D) / span_D


def _scale(robot: Embodiment) -> tuple[np.ndarray, np.ndarray]:
    ends = [
        (group.action.closed, group.action.open) if isinstance(group.action, Gripper) else (0, 1)
        for group in robot.groups
        for _ in group.joints
    ]
    closed_D, open_D = np.array(ends, float).T
    return closed_D, open_D - closed_D
