"""The last thing a command passes: finite, jump, position, velocity, acceleration.

Pure functions of (target, last motion, limits, dt), after libfranka's rate limiting: what comes
out depends on nothing else. A refused target means hold, and a hold is immediate: it repeats the
last command (zero velocity for a velocity group), with no acceleration limit on stopping.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from ..errors import NonFiniteError
from .limits import JointLimits

OUTSIDE_SPEED = 0.0175
"""Speed of a joint that comes back from outside its limits, rad/s or m/s: ros2_control's soft
recovery of 1 degree per second."""

REPORT_TOLERANCE = 1e-9
"""A command this close to its target was not limited, rad or m: rounding, far below an encoder."""


class Verdict(Enum):
    """What the filter did."""

    PASS = "pass"
    LIMITED = "limited"
    REJECTED = "rejected"  # held instead


class Rule(Enum):
    """Which rule acted."""

    FINITE = "finite"
    JUMP = "jump"
    POSITION = "position"
    VELOCITY = "velocity"
    ACCELERATION = "acceleration"
    SIDEWAYS = "sideways"  # what wheels cannot do; see execution/limiter.py
    COLLISION = "collision"  # see keep_clear.py
    WORKSPACE = "workspace"


@dataclass(frozen=True, kw_only=True, eq=False)
class Motion:
    """What was last sent to some joints.

    Attributes:
        command_D: positions, float64 [D], rad or m.
        velocity_D: velocities at which the command moves, rad/s or m/s.
        target_D: the requested positions, as far as the position limits allow; its change is
            the speed of the target.
    """

    command_D: np.ndarray
    velocity_D: np.ndarray
    target_D: np.ndarray

    @classmethod
    def at_rest(cls, position_D: np.ndarray) -> "Motion":
        """Standing still at ``position_D``: where a mode starts, and what a hold is.

        Raises:
            NonFiniteError: a position is NaN or infinite (None included).
        """
        position_D = np.array(position_D, dtype=np.float64)
        _demand_finite(position_D)
        return cls(command_D=position_D, velocity_D=np.zeros_like(position_D), target_D=position_D)

    def rows(self, rows: np.ndarray) -> "Motion":
        """The motion of some of the joints only."""
        return Motion(
            command_D=self.command_D[rows],
            velocity_D=self.velocity_D[rows],
            target_D=self.target_D[rows],
        )

    def with_rows(self, rows: np.ndarray, part: "Motion") -> "Motion":
        """The same motion with some of the joints moving as in ``part``."""
        whole = {}
        for key in ("command_D", "velocity_D", "target_D"):
            whole[key] = getattr(self, key).copy()
            whole[key][rows] = getattr(part, key)
        return Motion(**whole)


@dataclass(frozen=True, kw_only=True, eq=False)
class Filtered:
    """What may be sent.

    Attributes:
        verdict: passed, limited or rejected.
        motion: the motion to send, and to give back at the next call.
        acted: rule -> the joints on which it acted, in joint order; empty when all passed. Of
            ``COLLISION`` and ``WORKSPACE``, in words, what is near what instead of joints.
    """

    verdict: Verdict
    motion: Motion
    acted: dict[Rule, tuple[str, ...]]


def limit_positions(
    target_D: np.ndarray, last: Motion, limits: JointLimits, *, dt_s: float, period_s: float
) -> Filtered:
    """Move towards target positions as far as the limits allow.

    A joint never gets so fast that its own acceleration could not stop it before its position
    limit. It meets its target without overshoot where that is possible: it closes the distance
    at the target's own speed plus what it can still brake away. A joint that is outside its
    limits may only move inwards, at ``OUTSIDE_SPEED``, and is never refused for it.

    Args:
        target_D: wanted positions, float64 [D], rad or m, joint order of ``limits``.
        last: what was last sent to these joints.
        limits: their limits.
        dt_s: time since ``last`` was sent, s, > 0.
        period_s: nominal time between commands, s, > 0. A late call counts as one period, so
            that it never makes a larger step.
    Returns:
        The motion to send. Between two calls no command moves farther than velocity * dt, no
        velocity changes by more than acceleration * dt, and no joint leaves its limits. A
        non-finite target, or one beyond the jump limit, is rejected for all joints together.
    Raises:
        NonFiniteError: ``last`` is NaN or infinite. ValueError: ``dt_s`` or ``period_s`` <= 0.
    Source: order of the rules after libfranka rate_limiting.h and control_loop.cpp.
    """
    dt_s = _usable_dt_s(dt_s, period_s)
    target_D = np.asarray(target_D, dtype=np.float64)
    _demand_finite(last.command_D, last.velocity_D, last.target_D)
    if not np.isfinite(target_D).all():
        return _rejected(last, Rule.FINITE, limits, ~np.isfinite(target_D))
    if limits.jump_D is not None:
        # From the last target, not the last command: a command that fell behind a target faster
        # than the joint is late, and not a jump; holding it would never let it catch up. From
        # the nearest allowed position: coming back from outside is not a jump either.
        inside_D = np.clip(last.target_D, limits.lower_D, limits.upper_D)
        jumped_D = np.abs(target_D - inside_D) > limits.jump_D
        if jumped_D.any():
            return _rejected(last, Rule.JUMP, limits, jumped_D)

    aim_D = np.clip(target_D, limits.lower_D, limits.upper_D)
    wanted_D = _approach(aim_D, last, limits, dt_s)
    lowest_D = -_braking(last.command_D - limits.lower_D, limits.acceleration_D, dt_s)
    highest_D = _braking(limits.upper_D - last.command_D, limits.acceleration_D, dt_s)
    outside_D = (last.command_D < limits.lower_D) | (last.command_D > limits.upper_D)
    lowest_D = np.where(outside_D, np.maximum(lowest_D, -OUTSIDE_SPEED), lowest_D)
    highest_D = np.where(outside_D, np.minimum(highest_D, OUTSIDE_SPEED), highest_D)

    change_D = limits.acceleration_D * dt_s
    velocity_D = np.clip(wanted_D, last.velocity_D - change_D, last.velocity_D + change_D)
    free_D = np.clip(velocity_D, -limits.velocity_D, limits.velocity_D)
    velocity_D = np.clip(free_D, lowest_D, highest_D)
    command_D = np.clip(  # braking is exact but for rounding
        last.command_D + velocity_D * dt_s,
        np.minimum(limits.lower_D, last.command_D),
        np.maximum(limits.upper_D, last.command_D),
    )

    short_D = np.abs(command_D - target_D) > REPORT_TOLERANCE
    position_D = short_D & ((aim_D != target_D) | (free_D != velocity_D))
    too_fast_D = np.abs(aim_D - last.command_D) > limits.velocity_D * dt_s
    acted_D = {
        Rule.POSITION: position_D,
        Rule.VELOCITY: short_D & too_fast_D,
        Rule.ACCELERATION: short_D & ~position_D & ~too_fast_D,
    }
    motion = Motion(command_D=command_D, velocity_D=velocity_D, target_D=aim_D)
    return _filtered(motion, limits, acted_D)


def limit_velocities(
    target_D: np.ndarray, last: Motion, limits: JointLimits, *, dt_s: float, period_s: float
) -> Filtered:
    """Change velocities towards their targets as far as the limits allow: for a mobile base.

    Args:
        target_D: wanted velocities, float64 [D], rad/s or m/s, joint order of ``limits``.
        last: what was last sent; only its velocities matter, the rest is handed on.
        limits: their limits; only velocity and acceleration matter.
        dt_s: time since ``last`` was sent, s, > 0.
        period_s: nominal time between commands, s, > 0; a late call counts as one period.
    Returns:
        The motion to send: its ``velocity_D``. A non-finite target is rejected for all joints
        together, which stops them.
    Raises:
        NonFiniteError: ``last`` is NaN or infinite. ValueError: ``dt_s`` or ``period_s`` <= 0.
    """
    dt_s = _usable_dt_s(dt_s, period_s)
    target_D = np.asarray(target_D, dtype=np.float64)
    _demand_finite(last.command_D, last.velocity_D)
    if not np.isfinite(target_D).all():
        return _rejected(last, Rule.FINITE, limits, ~np.isfinite(target_D))
    change_D = limits.acceleration_D * dt_s
    allowed_D = np.clip(target_D, -limits.velocity_D, limits.velocity_D)
    velocity_D = np.clip(allowed_D, last.velocity_D - change_D, last.velocity_D + change_D)
    acted_D = {
        Rule.VELOCITY: np.abs(target_D - allowed_D) > REPORT_TOLERANCE,
        Rule.ACCELERATION: np.abs(allowed_D - velocity_D) > REPORT_TOLERANCE,
    }
    motion = Motion(command_D=last.command_D, velocity_D=velocity_D, target_D=last.target_D)
    return _filtered(motion, limits, acted_D)


def _approach(target_D: np.ndarray, last: Motion, limits: JointLimits, dt_s: float) -> np.ndarray:
    """Velocities that meet the target: its own speed, plus what can still be braked away.

    Going for the target by distance / dt alone arrives too fast to stop (a step of 0.5 rad at
    10 rad/s^2 overshoots by 0.18). A target that was met last time is followed exactly.
    """
    speed_D = np.clip((target_D - last.target_D) / dt_s, -limits.velocity_D, limits.velocity_D)
    behind_D = target_D - last.command_D - speed_D * dt_s
    closing_D = _braking(np.abs(behind_D), limits.acceleration_D, dt_s)
    return speed_D + np.sign(behind_D) * closing_D


def _braking(distance_D: np.ndarray, acceleration_D: np.ndarray, dt_s: float) -> np.ndarray:
    """Highest velocity for the next dt from which one can still stop within the distance.

    v dt + v^2 / 2a = d, solved for v. After such a step v^2 / 2a is left, which is enough from
    there whatever the next dt: so the acceleration bound never has to be broken. Zero when the
    distance is used up.
    """
    step_D = acceleration_D * dt_s
    return np.sqrt(step_D**2 + 2.0 * acceleration_D * np.maximum(distance_D, 0.0)) - step_D


def _usable_dt_s(dt_s: float, period_s: float) -> float:
    if not (dt_s > 0.0 and period_s > 0.0):
        raise ValueError(f"dt_s={dt_s} and period_s={period_s} must be positive")
    return min(dt_s, period_s)


def _demand_finite(*arrays_D: np.ndarray) -> None:
    if not all(np.isfinite(values_D).all() for values_D in arrays_D):
        raise NonFiniteError("the motion so far is not finite: there is nothing safe to hold")


def _rejected(last: Motion, rule: Rule, limits: JointLimits, where_D: np.ndarray) -> Filtered:
    return Filtered(
        verdict=Verdict.REJECTED,
        motion=Motion.at_rest(last.command_D),
        acted={rule: _joints(limits, where_D)},
    )


def _filtered(motion: Motion, limits: JointLimits, acted_D: dict[Rule, np.ndarray]) -> Filtered:
    acted = {rule: _joints(limits, where_D) for rule, where_D in acted_D.items() if where_D.any()}
    verdict = Verdict.LIMITED if acted else Verdict.PASS
    return Filtered(verdict=verdict, motion=motion, acted=acted)


def _joints(limits: JointLimits, where_D: np.ndarray) -> tuple[str, ...]:
    return tuple(name for name, acted in zip(limits.names, where_D, strict=True) if acted)
