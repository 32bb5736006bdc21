"""Picks a thing up and places it in or on another with LIBERO's Panda, from the state alone.

What to do next follows from where tool, fingers and things are: it goes on after a disturbance,
and tries again what it has dropped. What is narrower than the hand is grasped across its
narrower side; a bowl by its rim.
"""

import numpy as np

from .rotations import rotation_vector, turn

OPEN, CLOSED = -1.0, 1.0
WIDEST_M = 0.07
"""Of what fits between the fingers, which open to 0.08 m."""
DOWN = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
"""The tool looks down, its fingers open along the world's y."""
_DEEP_M, _RIM_M = 0.035, 0.02
"""How far below the top of a thing, and of a rim, the fingertips close."""
_HOVER_M, _CARRY_M = 0.06, 0.12
"""Above where it grasps; between the place's top and the lowest point of what is carried."""
_AT_M, _NEAR_M = 0.012, 0.03
_DROP_M, _SET_DOWN_M = 0.03, 0.005
"""How far above the place it lets go."""
_GAIN, _FASTEST = 1.0, 0.6
"""Slow, because an arm that overshoots until it is stretched out does not come back: there no
torque of its joints pulls it in."""
_STEP = np.array([0.05, 0.5])
"""What an action of 1 asks for, m and rad."""


def act(
    *,
    tool_m: np.ndarray,
    tool: np.ndarray,
    fingers_m: float,
    closing: bool,
    thing_m: np.ndarray,
    place_m: np.ndarray,
    drop: bool,
) -> np.ndarray:
    """The next action [7], as LIBERO takes it.

    Args:
        tool_m, tool: between the fingertips, position [3] and rotation [3, 3].
        fingers_m: how far apart they are.
        closing: whether the last action closed them.
        thing_m, place_m: lower and upper corner [2, 3] of what surrounds them.
        drop: into the place instead of onto it.
    """
    middle, size = thing_m.mean(axis=0), thing_m[1] - thing_m[0]
    wide = size[:2].min() > WIDEST_M
    yaw = 0.0 if wide or size[1] <= size[0] else np.pi / 2
    grasp_m = np.array([middle[0], middle[1], thing_m[1, 2] - _DEEP_M])
    grasp_m[2] = max(grasp_m[2], thing_m[0, 2] + 0.012)
    if wide:  # by the rim, on the side of the table's middle, or where it holds it
        side = 1.0 if (tool_m[1] - middle[1] if closing else -middle[1]) > 0.0 else -1.0
        grasp_m = np.array(
            [middle[0], middle[1] + side * (size[1] / 2 - 0.006), thing_m[1, 2] - _RIM_M]
        )
    # A bowl that hangs on its rim is tilted.
    between = np.linalg.norm(tool_m - grasp_m) < (2 * _NEAR_M if wide else _NEAR_M)
    width_m = 0.004 if wide else min(size[:2])
    held = closing and between and 0.002 < fingers_m < width_m + 0.008
    gripper, goal_m = OPEN, grasp_m + [0.0, 0.0, _HOVER_M]
    beside_m = np.linalg.norm((place_m.mean(axis=0) - middle)[:2])
    if not closing and beside_m < _NEAR_M and thing_m[0, 2] < place_m[1, 2] + _CARRY_M:
        goal_m = tool_m + [0.0, 0.0, _AT_M]  # it has been let go
    elif held:
        gripper, goal_m = _carry(tool_m, thing_m, place_m, drop)
    elif np.linalg.norm((tool_m - grasp_m)[:2]) < _AT_M and _turned(tool, yaw) < 0.1:
        goal_m = grasp_m
        if tool_m[2] - grasp_m[2] < _AT_M:
            gripper = CLOSED
    way = _GAIN * (goal_m - tool_m) / _STEP[0]
    twist = _GAIN * rotation_vector(turn("z", yaw) @ DOWN @ tool.T) / _STEP[1]
    return np.concatenate(
        [
            way * min(1.0, _FASTEST / max(np.abs(way).max(), 1e-9)),
            np.clip(twist, -1.0, 1.0),
            [gripper],
        ]
    )


def _carry(
    tool_m: np.ndarray, thing_m: np.ndarray, place_m: np.ndarray, drop: bool
) -> tuple[float, np.ndarray]:
    """Gripper and where the tool goes, with the thing in the hand."""
    middle, below, top = thing_m.mean(axis=0), thing_m[0, 2], place_m[1, 2]
    beside = place_m.mean(axis=0)[:2] - middle[:2]
    let_go_m = _DROP_M if drop else _SET_DOWN_M
    # A funnel: the nearer it is to the place, the lower it may be.
    far = np.clip((np.linalg.norm(beside) - _NEAR_M / 2) / (2 * _NEAR_M), 0.0, 1.0)
    goal_m = tool_m + [0.0, 0.0, top + let_go_m - 0.01 + far * _CARRY_M - below]
    if below > top + far * _CARRY_M / 2:
        goal_m[:2] += beside
    return (OPEN if far == 0.0 and below < top + let_go_m else CLOSED), goal_m


def _turned(tool: np.ndarray, yaw: float) -> float:
    return float(np.linalg.norm(rotation_vector(turn("z", yaw) @ DOWN @ tool.T)))
