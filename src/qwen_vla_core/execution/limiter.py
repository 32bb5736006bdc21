"""All joints of a robot through the safety filter: arms by position, a base by velocity."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..embodiment import Embodiment
from ..safety import (
    Filtered,
    Intersection,
    JointLimits,
    Motion,
    RobotLimits,
    Rule,
    Verdict,
    clearance_of,
    intersect,
    keep_clear,
    limit_positions,
    limit_velocities,
)

SIDEWAYS_TOLERANCE_M_S = 0.1
"""Sideways speed not worth a report: what the chords of a sampled curve, or a waypoint that is
two centimetres off, leave over. It is dropped all the same."""

SPEED_SCALES = (0.1, 1.0)
"""Lowest and highest ``max_speed_scale``. A tenth of 1.57 rad/s is 16 cm/s at the end of a
stretched ALOHA, slower than ISO 10218-1's 25 cm/s for a robot beside a person."""

SLOW = 0.2
"""Share of the limits for a motion that nobody planned: 0.3 rad/s at 1.57, a speed at which a
person beside the robot has time to press a button."""


class Limiter:
    """The limits of one robot.

    Attributes:
        max_speed_scale: share of every speed limit that may be used, within ``SPEED_SCALES``. When
            it falls, what moves faster brakes at its acceleration limit. Accelerations are not
            scaled: a slow robot must stop as quickly as a fast one.
        limits: of all joints: the embodiment's, and the robot's own where those are tighter.
    """

    def __init__(self, embodiment: Embodiment) -> None:
        self.max_speed_scale = 1.0
        self._joints, self._jump = embodiment.joints, embodiment.jump_limit
        self._clearance = clearance_of(embodiment)
        base_D = np.array(embodiment.base_D)
        self._period_s = 1.0 / embodiment.command_hz
        self._twice_D = 2.0 * np.array([joint.acceleration for joint in embodiment.joints])
        self._arms, self._base = np.flatnonzero(~base_D), np.flatnonzero(base_D)
        self.intersect({})

    def intersect(self, robot: Mapping[str, RobotLimits]) -> Intersection:
        """From now on obey the robot's own limits as well.

        Args:
            robot: joint name -> what the robot says of it.
        Returns:
            What that changed; a robot with an empty intersection must not be engaged.
        """
        result = intersect(self._joints, robot)
        self.limits = result.limits
        arms = _rows(self.limits, self._arms)
        self._base_limits = _rows(self.limits, self._base)
        self._arm_limits = self._unplanned_limits = self._slow_limits = arms
        if arms is not None:
            self._arm_limits = replace(arms, jump_D=np.full(len(self._arms), self._jump))
            self._slow_limits = replace(
                arms,
                velocity_D=SLOW * arms.velocity_D,
                acceleration_D=SLOW * arms.acceleration_D,
            )
        return result

    def limit(
        self,
        positions_D: np.ndarray,
        velocities_D: np.ndarray,
        last: Motion,
        *,
        dt_s: float,
    ) -> Filtered:
        """Move towards a target as far as the limits allow.

        Args:
            positions_D: wanted positions, float64 [D], rad or m; those of a base do not matter.
            velocities_D: wanted velocities; only those of a base matter, along its own axes:
                ahead, to the left (wheels cannot; it is dropped and reported) and turning.
            last: what was last sent.
            dt_s: time since then, s, > 0.
        Returns:
            The motion to send, in which a base keeps its position. Where any part of the target
            is rejected, the whole robot holds.
        Raises:
            NonFiniteError: ``last`` is NaN or infinite. ValueError: ``dt_s`` <= 0.
        """
        motion = held = Motion.at_rest(last.command_D)
        acted: dict[Rule, tuple[str, ...]] = {}
        verdicts = []
        if len(self._arms):
            arms = self._move_arms(positions_D, last, self._arm_limits, dt_s)
            motion = motion.with_rows(self._arms, arms.motion)
            acted, verdicts = arms.acted, [arms.verdict]
        if len(self._base):
            ahead, left, turn = velocities_D[self._base]
            wanted = np.array([ahead, 0.0 if np.isfinite(left) else left, turn])
            part = last.rows(self._base)
            limits = self._scaled(self._base_limits, part, self._base_limits.velocity_D, dt_s)
            base = limit_velocities(wanted, part, limits, dt_s=dt_s, period_s=self._period_s)
            motion = motion.with_rows(self._base, base.motion)
            verdicts.append(base.verdict)
            acted = {
                rule: acted.get(rule, ()) + base.acted.get(rule, ())
                for rule in (*acted, *base.acted)
            }
            if abs(left) > SIDEWAYS_TOLERANCE_M_S:
                acted[Rule.SIDEWAYS] = (self._base_limits.names[1],)
        if Verdict.REJECTED in verdicts:
            return Filtered(verdict=Verdict.REJECTED, motion=held, acted=acted)
        verdict = Verdict.LIMITED if acted else Verdict.PASS
        return Filtered(verdict=verdict, motion=motion, acted=acted)

    def brake(self, last: Motion, *, dt_s: float) -> Filtered:
        """Come to rest as the accelerations allow: where nothing is wrong, and no plan there yet.

        Args:
            last: what was last sent.
            dt_s: time since then, s, > 0.
        Raises:
            NonFiniteError: ``last`` is NaN or infinite. ValueError: ``dt_s`` <= 0.
        """
        # Where a joint comes to rest; whatever it was on its way to is no target any more.
        rest_D = last.command_D + last.velocity_D * np.abs(last.velocity_D) / self._twice_D
        last = replace(last, target_D=rest_D)
        return self.limit(rest_D, np.zeros_like(rest_D), last, dt_s=dt_s)

    def approach(
        self, positions_D: np.ndarray, last: Motion, *, dt_s: float, slow: bool
    ) -> Filtered:
        """Move the arms to a pose that no plan leads to, however far it is; a base stands.

        Args:
            positions_D: where to, float64 [D], rad or m.
            last: what was last sent.
            dt_s: time since then, s, > 0.
            slow: at ``SLOW`` of the speed limits.
        Raises:
            NonFiniteError: ``last`` is NaN or infinite. ValueError: ``dt_s`` <= 0.
        """
        still = Motion.at_rest(last.command_D)
        if not len(self._arms):
            return Filtered(verdict=Verdict.PASS, motion=still, acted={})
        limits = self._slow_limits if slow else self._unplanned_limits
        arms = self._move_arms(positions_D, last, limits, dt_s, faces=not slow)
        motion = still.with_rows(self._arms, arms.motion)
        return Filtered(verdict=arms.verdict, motion=motion, acted=arms.acted)

    def _move_arms(
        self,
        positions_D: np.ndarray,
        last: Motion,
        limits: JointLimits,
        dt_s: float,
        *,
        faces: bool = True,
    ) -> Filtered:
        """Of the arms' joints only: within their limits, and clear of what is around them."""
        part, period_s = last.rows(self._arms), self._period_s
        limits = self._scaled(limits, part, self._arm_limits.velocity_D, dt_s)
        arms = limit_positions(positions_D[self._arms], part, limits, dt_s=dt_s, period_s=period_s)
        if self._clearance is None or arms.verdict is Verdict.REJECTED:
            return arms
        motion, near = keep_clear(
            part,
            arms.motion,
            limits,
            self._clearance,
            dt_s=min(dt_s, period_s),
            faces=faces,
        )
        acted = arms.acted | near
        verdict = Verdict.LIMITED if acted else Verdict.PASS
        return Filtered(verdict=verdict, motion=motion, acted=acted)

    def _scaled(
        self, limits: JointLimits, last: Motion, full_D: np.ndarray, dt_s: float
    ) -> JointLimits:
        """The limits with the speeds that ``max_speed_scale`` leaves of ``full_D``.

        A joint that is still faster may have the speed to which it can brake in this period.
        """
        if self.max_speed_scale == 1.0:
            return limits
        brakes_to_D = np.abs(last.velocity_D) - limits.acceleration_D * min(dt_s, self._period_s)
        allowed_D = np.fmax(brakes_to_D, self.max_speed_scale * full_D)  # NaN is refused later
        return replace(limits, velocity_D=np.minimum(allowed_D, limits.velocity_D))


def _rows(limits: JointLimits, rows: np.ndarray) -> JointLimits | None:
    """The limits of some of the joints; None for none of them."""
    if not len(rows):
        return None
    return JointLimits(
        names=tuple(limits.names[row] for row in rows),
        lower_D=limits.lower_D[rows],
        upper_D=limits.upper_D[rows],
        velocity_D=limits.velocity_D[rows],
        acceleration_D=limits.acceleration_D[rows],
    )
