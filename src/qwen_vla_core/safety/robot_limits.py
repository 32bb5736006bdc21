"""A joint's limits are the embodiment's and the robot's own: the tighter of both holds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..embodiment.schema import Joint
from .limits import JointLimits

ROUNDING = 1e-3
"""Robots say their limits as float32 of rounded degrees: closer ones are the same, rad or m."""


@dataclass(frozen=True, kw_only=True)
class RobotLimits:
    """What a robot says of one joint, rad or m and per second; infinite where it says nothing."""

    lower: float = -math.inf
    upper: float = math.inf
    velocity: float = math.inf


@dataclass(frozen=True, kw_only=True, eq=False)
class Intersection:
    """The limits that hold.

    Attributes:
        limits: of all joints, in their order; where nothing is left, the embodiment's.
        tightened: in words, what the robot's own limits took away.
        empty: in words, the joints that may not be anywhere, or not move; the robot must not be
            engaged.
    """

    limits: JointLimits
    tightened: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()


def intersect(joints: Sequence[Joint], robot: Mapping[str, RobotLimits]) -> Intersection:
    """The tighter of both limits of every joint.

    Args:
        joints: the embodiment's.
        robot: joint name -> what the robot says of it; nothing for joints of which it says none.
    """
    held, tightened, empty = [], [], []
    for joint in joints:
        own = RobotLimits(lower=joint.lower, upper=joint.upper, velocity=joint.velocity)
        other = robot.get(joint.name, RobotLimits())
        both = RobotLimits(
            lower=_tighter(own.lower, other.lower, other.lower > own.lower),
            upper=_tighter(own.upper, other.upper, other.upper < own.upper),
            velocity=_tighter(own.velocity, other.velocity, other.velocity < own.velocity),
        )
        somewhere = other.lower < other.upper and both.lower < both.upper
        if not (somewhere and both.velocity > 0.0):  # NaN as well
            empty.append(
                f"{joint.name}: the embodiment allows {_text(own, joint)}, the robot only "
                f"{_text(other, joint)}; correct the one that is wrong"
            )
            both = own
        elif both != own:
            before, now = _text(own, joint), _text(both, joint)
            tightened.append(f"{joint.name}: {now} instead of {before}")
        held.append(both)
    limits = JointLimits(
        names=tuple(joint.name for joint in joints),
        lower_D=np.array([of.lower for of in held]),
        upper_D=np.array([of.upper for of in held]),
        velocity_D=np.array([of.velocity for of in held]),
        acceleration_D=np.array([joint.acceleration for joint in joints]),
    )
    return Intersection(limits=limits, tightened=tuple(tightened), empty=tuple(empty))


def _tighter(own: float, other: float, is_tighter: bool) -> float:
    if math.isnan(other):
        return other
    return other if is_tighter and abs(other - own) > ROUNDING else own


def _text(limits: RobotLimits, joint: Joint) -> str:
    return (
        f"{limits.lower:.4f}..{limits.upper:.4f} {joint.unit} at {limits.velocity:.4f} "
        f"{joint.unit}/s"
    )
