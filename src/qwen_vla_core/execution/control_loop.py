"""One control period: read, decide, limit. The node around it only receives and sends.

Nothing here waits. Every period yields a command, and a hold is a command as well: it repeats the
last one. Steady time drives the watchdogs, ROS time samples the chunk; where the two run apart,
the clock was set, and the robot holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..embodiment import Embodiment
from ..modes import Mode, ModeState, Transition, Trigger, step
from ..safety import (
    Filtered,
    JointLimits,
    Motion,
    Tracking,
    TrackingMonitor,
    Verdict,
    Watchdog,
    limit_positions,
)
from ..types import ActionChunk
from .timeline import Offer, Timeline
from .timeline import Verdict as ChunkVerdict

CLOCK_JUMP_S = 0.1
"""ROS time and steady time may drift apart by this much within a period; NTP slews far less."""

JOINTS, TELEOP, POLICY = "joint states", "teleop", "policy"

_NEEDED = {
    Trigger.ENGAGE_POLICY: (JOINTS, POLICY),
    Trigger.ENGAGE_TELEOP: (JOINTS, TELEOP),
    Trigger.RESET: (JOINTS,),
}
"""What must not be silent when a person makes this request."""


def joint_limits(embodiment: Embodiment) -> JointLimits:
    """The limits of all joints of an embodiment, in its order."""
    joints = embodiment.joints
    return JointLimits(
        names=embodiment.joint_names,
        lower_D=np.array([joint.lower for joint in joints]),
        upper_D=np.array([joint.upper for joint in joints]),
        velocity_D=np.array([joint.velocity for joint in joints]),
        acceleration_D=np.array([joint.acceleration for joint in joints]),
        jump_D=np.full(len(joints), embodiment.jump_limit),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Cycle:
    """What one control period decided.

    Attributes:
        filtered: the motion to send and what limited it.
        state: the mode and its reason.
        following: whether a target from teleop or the policy was followed; a hold otherwise.
    """

    filtered: Filtered
    state: ModeState
    following: bool


class ControlLoop:
    """The state between control periods of one robot."""

    def __init__(self, embodiment: Embodiment, *, check_tracking: bool = True) -> None:
        """Start in HOLD.

        Args:
            embodiment: the robot.
            check_tracking: compare measured with commanded positions; not in a dry run, where
                commands are computed but the robot stays where it is.
        """
        watchdogs = embodiment.watchdogs
        self.state = ModeState()
        self.measured_D: np.ndarray | None = None
        self.timeline = Timeline(embodiment.joint_names, jump_limit=embodiment.jump_limit)
        self._policy_s = watchdogs.policy_s
        self._period_s = 1.0 / embodiment.command_hz
        self._limits = joint_limits(embodiment)
        self._retreat_limits = replace(self._limits, jump_D=None)
        self._watchdog = Watchdog(
            {
                JOINTS: watchdogs.joint_states_s,
                TELEOP: watchdogs.teleop_s,
                POLICY: watchdogs.policy_s,
            }
        )
        self._tracking_limit_D = _tracking_limits(embodiment)
        self._tracking = (
            TrackingMonitor(embodiment.joint_names, self._tracking_limit_D)
            if check_tracking
            else None
        )
        self._motion: Motion | None = None
        self._retreat_D: np.ndarray | None = None
        self._teleop_D: np.ndarray | None = None
        self._estop_asserted = False
        self._last_steady_s: float | None = None
        self._last_ros_s = 0.0
        self._policy_wait_from_s = 0.0

    def on_joints(self, positions_D: np.ndarray, steady_s: float) -> None:
        """Measured positions [D], checked already, arrived."""
        self.measured_D = positions_D
        self._watchdog.feed(JOINTS, steady_s)

    def on_chunk(self, chunk: ActionChunk, ros_s: float, steady_s: float) -> Offer:
        """A chunk arrived; it is used or refused whole."""
        if self._motion is None:
            return Offer(verdict=ChunkVerdict.BEFORE_MODE, reason="nothing is commanded yet")
        self._watchdog.feed(POLICY, steady_s)
        return self.timeline.offer(chunk, now_s=ros_s, command_D=self._motion.command_D)

    def on_teleop(self, target_D: np.ndarray, ros_s: float, steady_s: float) -> None:
        """A person's target [D], finite, arrived; it takes over from autonomy at once."""
        self._teleop_D = target_D
        self._watchdog.feed(TELEOP, steady_s)
        if self.state.mode is Mode.AUTONOMY:
            self.trigger(Trigger.TELEOP_ACTIVE, "teleop moved", ros_s)

    def on_estop(self, asserted: bool, ros_s: float) -> None:
        """The emergency-stop signal; it latches, and a reset waits until it is released."""
        self._estop_asserted = asserted
        if asserted:
            self.trigger(Trigger.ESTOP, "the estop topic is true", ros_s)

    def request(
        self, trigger: Trigger, ros_s: float, steady_s: float, problems: Sequence[str] = ()
    ) -> Transition:
        """Answer a person's request; ``problems`` are the drivers', in words."""
        needed = _NEEDED.get(trigger, ())
        blockers = [str(e) for e in self._watchdog.expired(steady_s) if e.name in needed]
        if trigger is not Trigger.RESET:
            blockers += problems
        elif self._estop_asserted:
            blockers.append("the estop topic is still true")
        before = self.state.mode
        transition = self.trigger(trigger, "", ros_s, blockers)
        if self.state.mode is not before:
            self._policy_wait_from_s = steady_s
        return transition

    def trigger(
        self, trigger: Trigger, detail: str, ros_s: float, blockers: Sequence[str] = ()
    ) -> Transition:
        """Apply a request or event; a new mode starts without what was planned before it."""
        before = self.state
        transition = step(before, trigger, detail, blockers=blockers)
        self.state = transition.state
        if self.state.mode is not before.mode:
            self.timeline.clear(valid_from_s=ros_s)
        if self.state.mode in (Mode.TELEOP, Mode.AUTONOMY):
            self._retreat_D = None
        return transition

    def update(self, ros_s: float, steady_s: float) -> Cycle | None:
        """One control period; None while no joint state has ever arrived.

        Args:
            ros_s: ROS time, s.
            steady_s: steady time, s; must have advanced since the last call.
        """
        if self.measured_D is None:
            return None
        if self._motion is None:
            self._motion = Motion.at_rest(self.measured_D)
        dt_s = self._period_s if self._last_steady_s is None else steady_s - self._last_steady_s
        self._watch(ros_s, steady_s, dt_s)
        self._last_steady_s, self._last_ros_s = steady_s, ros_s

        target_D = self._target(ros_s, steady_s)
        if target_D is None:
            motion = Motion.at_rest(self._motion.command_D)
            filtered = Filtered(verdict=Verdict.PASS, motion=motion, acted={})
        else:
            limits = self._limits if self._retreat_D is None else self._retreat_limits
            filtered = limit_positions(
                target_D, self._motion, limits, dt_s=dt_s, period_s=self._period_s
            )
        self._motion = filtered.motion
        following = target_D is not None and self._retreat_D is None
        return Cycle(filtered=filtered, state=self.state, following=following)

    def rest(self, ros_s: float) -> None:
        """Commanding ends for a while; it will begin anew at the measured pose. Latches stay."""
        self.trigger(Trigger.HOLD, "control_node was deactivated", ros_s)
        self.timeline.clear(valid_from_s=ros_s)
        self._motion = self._retreat_D = self.measured_D = self._last_steady_s = None
        if self._tracking is not None:
            self._tracking.reset()

    def silent(self, steady_s: float) -> tuple[str, ...]:
        """In words, what has not been heard for too long."""
        return tuple(str(expired) for expired in self._watchdog.expired(steady_s))

    def _watch(self, ros_s: float, steady_s: float, dt_s: float) -> None:
        """Everything that ends a motion by itself."""
        for expired in self._watchdog.expired(steady_s):
            if expired.name == JOINTS:
                self.trigger(Trigger.STREAM_LOST, str(expired), ros_s)
            elif expired.name == TELEOP:
                self.trigger(Trigger.TELEOP_LOST, str(expired), ros_s)
        if self._last_steady_s is not None and abs(ros_s - self._last_ros_s - dt_s) > CLOCK_JUMP_S:
            self.timeline.clear(valid_from_s=ros_s)
            jump_s = ros_s - self._last_ros_s - dt_s
            self.trigger(Trigger.STREAM_LOST, f"ROS time jumped by {jump_s:.3f} s", ros_s)
        if self._tracking is not None:
            report = self._tracking.update(self.measured_D, self._motion.command_D)
            if report.verdict is Tracking.FAULT:
                self.trigger(Trigger.TRACKING_FAULT, report.detail, ros_s)
                # Hold where the robot is, rather than push against what stopped it; a gripper goes
                # on holding what it holds.
                self._retreat_D = np.where(
                    np.isfinite(self._tracking_limit_D), self.measured_D, self._motion.command_D
                )

    def _target(self, ros_s: float, steady_s: float) -> np.ndarray | None:
        """Where the source that the mode chose wants the joints; None means hold."""
        if self.state.mode is Mode.TELEOP:
            return self._teleop_D
        if self.state.mode is not Mode.AUTONOMY:
            return self._retreat_D
        sample = self.timeline.sample(ros_s)
        if sample is not None:
            self._policy_wait_from_s = steady_s
            return sample.positions_D
        if steady_s - self._policy_wait_from_s > self._policy_s:
            self.trigger(
                Trigger.POLICY_FAULT, f"no chunk to follow for {self._policy_s:g} s", ros_s
            )
        return None


def _tracking_limits(embodiment: Embodiment) -> np.ndarray:
    """Per joint [D]; inf where contact makes measured and commanded differ."""
    return np.array(
        [group.tracking_limit or np.inf for group in embodiment.groups for _ in group.joints]
    )
