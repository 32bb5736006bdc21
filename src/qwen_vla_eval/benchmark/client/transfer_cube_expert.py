"""Hands gym-aloha's cube from the right arm to the left one, from the state alone.

What to do next follows from where arms, cube and last commands are, so that it can begin, and
go on after a disturbance, anywhere.
"""

import numpy as np

from .rotations import rotation_vector, turn
from .vx300s import LEFT, RIGHT, Arm

OPEN, CLOSED = 1.0, 0.0
_LONGEST_M, _LONGEST_RAD, _GRIPPER_STEP = 0.006, 0.03, 0.06
"""What a tool, a joint and a gripper do in a step of 0.02 s: 0.3 m/s and 1.5 rad/s."""
_HOVER_M = np.array([0.0, 0.0, 0.10])
_AT_M = 0.008
"""A tool that is as near as that to where it should be is there."""
_HELD_M = 0.03
"""A cube between closed fingers is as near to the tool as that."""
_CLOSED_ON_IT = 0.75
"""Opening of a gripper that has the cube between its fingers: it stops at 0.62."""
_CUBE_HALF_M = 0.02
_MEET_M = np.array([0.0, 0.5, 0.25])
_WAIT_M = np.array([-0.12, 0.0, 0.0])
"""Where the left hand waits, from the meeting point."""
_PICK = turn("z", np.pi) @ turn("y", np.deg2rad(60.0))
"""The right hand looks steeply down; the left one lies on its side, a finger above the cube."""
_TAKE = turn("x", np.pi / 2)
_PICKING_6 = np.array([0.0, -0.3, 0.8, 0.0, 1.0, 0.0])
_TAKING_6 = np.array([0.0, -0.6, 1.0, 0.0, -0.4, np.pi / 2])
"""Poses near which all others are: a wrist has two ways to be turned the same."""


def act(joints: np.ndarray, commanded: np.ndarray, things: np.ndarray) -> np.ndarray:
    """The next action [14], as gym-aloha takes it.

    Args:
        joints: measured [14], as gym-aloha counts them.
        commanded: the action before [14].
        things: pose of the cube [7].
    """
    cube = things[:3]
    right_m, _ = RIGHT.forward(joints[7:13])
    left_m, _ = LEFT.forward(joints[:6])
    # What an arm is commanded tells how its hand is turned: under its weight it sags.
    right, left = RIGHT.forward(commanded[7:13])[1], LEFT.forward(commanded[:6])[1]
    near = np.linalg.norm(cube - right_m) < _HELD_M
    held = near and commanded[13] < 0.1 and joints[13] < _CLOSED_ON_IT
    lifted = held and cube[2] > 0.1
    met = held and np.linalg.norm(right_m - _MEET_M) < 0.03

    right_goal, right_gripper = cube + _HOVER_M, OPEN
    if held:
        right_goal, right_gripper = _MEET_M, CLOSED
    elif np.linalg.norm((right_m - cube)[:2]) < 2 * _AT_M and _angle(right, _PICK) < 0.1:
        right_goal = cube
        if right_m[2] - cube[2] < _AT_M:
            right_gripper = CLOSED

    left_goal, left_gripper = _MEET_M + _WAIT_M, OPEN
    if met and _angle(left, _TAKE) < 0.1:
        left_goal = cube - [0.5 * _CUBE_HALF_M, 0.0, 0.0]
        if np.linalg.norm(left_m - left_goal) < 2 * _AT_M:
            left_gripper = CLOSED
    left_moves = lifted or met
    right_6 = RIGHT.inverse(right_goal, _PICK, _PICKING_6)
    left_6 = LEFT.inverse(left_goal, _TAKE, _TAKING_6)
    return np.concatenate(
        [
            _toward(LEFT, commanded[:6], left_6) if left_moves else commanded[:6],
            [_closer(commanded[6], left_gripper)],
            _toward(RIGHT, commanded[7:13], right_6),
            [_closer(commanded[13], right_gripper)],
        ]
    )


def _toward(arm: Arm, commanded: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Joint angles a step nearer to others, all together."""
    step = goal - commanded
    way_m = np.linalg.norm(arm.forward(goal)[0] - arm.forward(commanded)[0])
    steps = max(way_m / _LONGEST_M, np.abs(step).max() / _LONGEST_RAD, 1.0)
    return commanded + step / steps


def _angle(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(rotation_vector(a @ b.T)))


def _closer(commanded: float, goal: float) -> float:
    return commanded + np.clip(goal - commanded, -_GRIPPER_STEP, _GRIPPER_STEP)
