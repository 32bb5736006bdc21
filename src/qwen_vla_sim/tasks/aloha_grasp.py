"""What the ALOHA's expert looks at, and where a cube is in a gripper."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..worlds.aloha_mjcf import CUBE_HALF_M, UNSEEN_CUBE_HALF_M
from ..worlds.vx300s_mjcf import FINGER_FACE_M, FINGERTIP_M

_HALF_M = CUBE_HALF_M | UNSEEN_CUBE_HALF_M
REACH_M = FINGERTIP_M - 0.012
"""From the tool to the middle of a cube in the hand: the fingertips reach 12 mm beyond it, and are
8 mm above the table."""
HOVER_M = 0.1
"""From so far before a cube the fingers come to it."""
WIDE_M = 0.008
"""Open fingers are this far from both sides of a cube or more before they pass it."""

_CENTRED_M, _FUNNEL = 0.012, 0.03
"""How far off a gripper may be sideways, at the cube and for each metre before it.

Fingers that close 18 mm beside the middle of a cube still lift it (10 of 10 scenes).
"""
_ALIGNED = 0.985
"""Cosine of the largest angle between where fingers point and where they should."""
_RISE_M, _RISE_COS = 0.025, 0.03
"""Farther off than by this much more, sideways or in angle, the fingers stay above the cube."""
_ALONG = 3.0
"""Open fingers pass a cube on both sides: along them they may be three times as far off as they
come down, 36 mm (the next cube begins 57 mm from the middle of this one). They slide the rest,
where the wrist's camera sees best how far it is.
"""
_ARRIVED_M = 0.012
"""The fingers close from this distance to its place in the hand on; 20 mm would do as well."""
_CLOSING_SLACK = 1.5
"""Factor on these tolerances once the fingers have begun to close."""
_HELD_MARGIN_M = 0.001
_AROUND_M = np.array([0.026, 0.022, 0.022])
"""A cube this near to its place in the hand, along the tool's axes, is between the fingers."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What the expert looks at; by side or by cube.

    Attributes:
        joints: commanded joints of each arm [6], rad.
        tools: their tools' poses [4, 4] in the world.
        fingers_m: measured finger positions.
        cubes: poses [4, 4] in the world.
    """

    joints: Mapping[str, np.ndarray]
    tools: Mapping[str, np.ndarray]
    fingers_m: Mapping[str, float]
    cubes: Mapping[str, np.ndarray]


def grasped(situation: Situation, side: str, cube: str) -> bool:
    """Whether the fingers of an arm have closed onto a cube."""
    closed_m = touching_m(situation, side, cube) + _HELD_MARGIN_M
    return between(situation, side, cube) and situation.fingers_m[side] < closed_m


def in_hand(situation: Situation, side: str, cube: str) -> np.ndarray:
    """The cube's offset [3] from its place in the hand, along the axes of the tool, m."""
    tool = situation.tools[side]
    offset = tool[:3, :3].T @ (situation.cubes[cube][:3, 3] - tool[:3, 3])
    return offset - (REACH_M, 0.0, 0.0)


def between(situation: Situation, side: str, cube: str) -> bool:
    """Whether a cube is between the fingers of an arm, touched or not."""
    return bool((np.abs(in_hand(situation, side, cube)) < _AROUND_M).all())


def touching_m(situation: Situation, side: str, cube: str) -> float:
    """Finger position at which the fingers touch the cube, askew or not."""
    across = situation.cubes[cube][:3, :3].T @ situation.tools[side][:3, 1]
    return _HALF_M[cube] * float(np.abs(across).sum()) + FINGER_FACE_M


def may_close(situation: Situation, side: str, cube: str, pointing: np.ndarray) -> bool:
    """Whether the fingers may close; once they have begun, they may be further off."""
    ahead, *sideways = in_hand(situation, side, cube)
    closing = situation.fingers_m[side] < touching_m(situation, side, cube) + WIDE_M
    slack = _CLOSING_SLACK if closing else 1.0
    aligned = (situation.tools[side][:3, :3] * pointing).sum(axis=0).min() > _ALIGNED
    return bool(
        aligned and abs(ahead) < slack * _ARRIVED_M and np.hypot(*sideways) < slack * _CENTRED_M
    )


def height_above_m(situation: Situation, side: str, cube: str, pointing: np.ndarray) -> float:
    """How far before the cube open fingers should be: the nearer to its axis, the deeper.

    Without a step: a policy that comes to a threshold and is not quite sure waits before it.
    """
    _, across, along = in_hand(situation, side, cube)
    if situation.fingers_m[side] < touching_m(situation, side, cube) + WIDE_M:
        return HOVER_M
    cos = (situation.tools[side][:3, :3] * pointing).sum(axis=0).min()
    off_m = np.hypot(across, along / _ALONG)
    away = max((off_m - _CENTRED_M) / _RISE_M, (_ALIGNED - cos) / _RISE_COS)
    return HOVER_M * float(np.clip(away, 0.0, 1.0))


def may_approach(situation: Situation, side: str, cube: str, pointing: np.ndarray) -> bool:
    """Whether open fingers may go on towards the cube from before it."""
    ahead, *sideways = in_hand(situation, side, cube)
    wide = situation.fingers_m[side] > touching_m(situation, side, cube) + WIDE_M
    aligned = (situation.tools[side][:3, :3] * pointing).sum(axis=0).min() > _ALIGNED
    return bool(
        wide
        and aligned
        and -_ARRIVED_M < ahead < HOVER_M + 0.03
        and np.hypot(*sideways) < _CENTRED_M + _FUNNEL * max(ahead, 0.0)
    )
