"""Which way each joint goes when it is sent a little, and what its answer says; pure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.kinematics import ArmKinematics
from qwen_vla_core.embodiment.streams import joint_streams

from .finding import Finding

WIGGLE_RAD = np.deg2rad(2.0)
WIGGLE_SHARE = 0.05
"""Of its range, how far a joint that slides is sent: fingers 1 to 2 mm."""
RISE_S, DWELL_S = 1.0, 0.7
"""There and back in a second each, at most 0.055 rad/s; in between it comes to rest."""
MOVED, WELL = 0.3, (0.6, 1.4)
"""Shares of the way. Below the first a joint stands still (friction, gravity and an encoder's
step hide a quarter of two degrees); within the second it goes as far as it was sent."""
DEGREES = (40.0, 80.0)
"""Times as far: 57.3, as WELL."""


@dataclass(frozen=True, kw_only=True)
class Wiggle:
    """One joint's way.

    Attributes:
        row: where the joint stands among the embodiment's.
        way: how far it is sent, rad or m, with its sign.
        words: what a person will see.
    """

    joint: str
    row: int
    way: float
    words: str

    def target(self, start_D: np.ndarray, seconds: float) -> np.ndarray:
        """Where all joints are sent, [D], so long after the start; all but one stay."""
        up = min(seconds, RISE_S) / RISE_S
        down = np.clip((seconds - RISE_S - DWELL_S) / RISE_S, 0.0, 1.0)
        target_D = np.array(start_D, dtype=float)
        target_D[self.row] += self.way * (_smooth(up) - _smooth(down))
        return target_D


def plan_wiggles(robot: Embodiment, start_D: np.ndarray) -> tuple[Wiggle, ...]:
    """A way for each joint of arms and grippers, away from its nearer limit; a base has none.

    Args:
        start_D: where the robot is, rad or m.
    """
    wiggles = []
    for group in robot.groups:
        if group.is_base:
            continue
        rows = robot.group_slice(group.name)
        chain = getattr(group.action, "kinematics", None)
        arm = None if chain is None else ArmKinematics(group)
        for row, joint in zip(range(rows.start, rows.stop), group.joints, strict=True):
            size = (
                WIGGLE_RAD if joint.unit == "rad" else WIGGLE_SHARE * (joint.upper - joint.lower)
            )
            upper_half = start_D[row] > (joint.lower + joint.upper) / 2.0
            way = float(-size if upper_half else size)
            wiggles.append(
                Wiggle(
                    joint=joint.name,
                    row=row,
                    way=way,
                    words=f"{joint.name} goes {_shown(way, joint.unit)} and back"
                    + _seen(arm, np.asarray(start_D[rows], float), row - rows.start, way),
                )
            )
    return tuple(wiggles)


def strange(robot: Embodiment, wiggle: Wiggle, before_D: np.ndarray, now_D: np.ndarray) -> str:
    """Why the motion has to stop, in words: another joint goes as far; empty where none does."""
    for d, joint in enumerate(robot.joints):
        far = 2.0 * WIGGLE_RAD if joint.unit == "rad" else 0.2 * (joint.upper - joint.lower)
        moved = now_D[d] - before_D[d]
        if d != wiggle.row and not robot.base_D[d] and abs(moved) > far:
            return (
                f"{joint.name} went {_shown(moved, joint.unit)} while {wiggle.joint} was sent: "
                "are their names exchanged?"
            )
    return ""


def judge(
    robot: Embodiment, wiggle: Wiggle, before_D: np.ndarray, there_D: np.ndarray, file: str
) -> Finding:
    """Whether a joint went where it was sent: sign, unit, size.

    Args:
        before_D, there_D: measured before, and where it was to be at the end of its way.
        file: of the embodiment, to say what to change where.
    """
    moved_D = there_D - before_D
    joint = robot.joints[wiggle.row]
    share = float(moved_D[wiggle.row] / wiggle.way)
    about = f"joint {joint.name}"
    sent = (
        f"sent {_shown(wiggle.way, joint.unit)}, measured {_shown(share * wiggle.way, joint.unit)}"
    )
    if WELL[0] <= share <= WELL[1]:
        return Finding(level="ok", about=about, text=sent)
    level, why = (
        "error",
        f"it goes {abs(share):.1f} times as far: has its driver another unit or gear?",
    )
    if abs(share) < MOVED:
        why = "it does not move: is its torque on, and is its hardware_name right?"
        if other := _other(robot, wiggle, moved_D):
            why = f"{other} moved instead: exchange their hardware_name"
    elif -WELL[1] <= share <= -WELL[0]:
        why = "it goes the other way: its sign in the driver is not that of limits and kinematics"
    elif DEGREES[0] <= abs(share) <= DEGREES[1]:
        why = "57 times as far: its joint states are in degrees, and have to be in rad"
    elif WELL[1] < share < 2.0 or MOVED <= share < WELL[0]:
        level, why = (
            "warning",
            "it does not reach where it is sent: gravity, a slow profile, backlash?",
        )
    return Finding(
        level=level, about=about, text=f"{sent}. {why} ({file}, joints of {joint.name})"
    )


def _other(robot: Embodiment, wiggle: Wiggle, moved_D: np.ndarray) -> str:
    """Another joint of the same unit that went the way instead."""
    unit = robot.joints[wiggle.row].unit
    for d, joint in enumerate(robot.joints):
        if d != wiggle.row and joint.unit == unit and abs(moved_D[d]) > WELL[0] * abs(wiggle.way):
            return joint.name
    return ""


def measured(robot: Embodiment, positions: Mapping[str, Mapping[str, float]]) -> np.ndarray:
    """Positions [D] from those by topic and driver's name; NaN for a base and what is missing."""
    measured_D = np.full(len(robot.joints), np.nan)
    for stream in joint_streams(robot):
        known = positions.get(stream.topic, {})
        for row, name in zip(stream.rows, stream.driver_names, strict=True):
            measured_D[row] = known.get(name, np.nan)
    return measured_D


def _seen(arm: ArmKinematics | None, start_G: np.ndarray, place: int, way: float) -> str:
    """Where the tool goes, for the person who watches."""
    if arm is None:
        return ""
    there_G = start_G.copy()
    there_G[place] += way
    path_3 = arm.forward(there_G)[:3, 3] - arm.forward(start_G)[:3, 3]
    axis = int(np.argmax(np.abs(path_3)))
    if abs(path_3[axis]) < 1e-3:
        return "; the tool only turns"
    name = (("ahead", "back"), ("to the left", "to the right"), ("up", "down"))[axis]
    return f"; the tool should go {abs(path_3[axis]) * 1e3:.0f} mm {name[int(path_3[axis] < 0)]}"


def _shown(way: float, unit: str) -> str:
    return f"{np.rad2deg(way):+.1f} degrees" if unit == "rad" else f"{way * 1e3:+.1f} mm"


def _smooth(share: float) -> float:
    """From 0 to 1 with no speed at the ends."""
    return 0.5 - 0.5 * float(np.cos(np.pi * share))
