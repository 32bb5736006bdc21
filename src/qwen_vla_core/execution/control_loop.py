"""One control period: read, decide, limit. The node around it only receives and sends.

Nothing here waits. Every period yields a command, and a hold is a command as well: it repeats the
last position and stops a base at once. A base has no position to command: its joints stay at 0,
and what is sent are its velocities ahead (base_x) and turning (base_yaw). Steady time drives the
watchdogs, ROS time samples the chunk; where the two run apart, the clock was set, and the robot
holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..embodiment import Embodiment
from ..embodiment.streams import joint_streams, measured_topics
from ..modes import Mode, ModeState, Transition, Trigger, step
from ..safety import Filtered, Motion, Tracking, TrackingMonitor, Verdict, Watchdog
from ..types import ActionChunk
from .limiter import Limiter
from .timeline import Offer, Sample, Timeline
from .timeline import Verdict as ChunkVerdict

CLOCK_JUMP_S = 0.1
"""ROS time and steady time may drift apart by this much within a period; NTP slews far less."""

TELEOP, POLICY = "teleop", "policy"
ESTOP_TOPIC, ESTOP_OF_BASE = "the estop topic is true", "the base's own emergency stop is pressed"

_SOURCE = {Trigger.ENGAGE_POLICY: POLICY, Trigger.ENGAGE_TELEOP: TELEOP}
"""Beside what the robot measures, what must not be silent when a person makes this request."""


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
        self._base_D = np.array(embodiment.base_D)
        base = embodiment.base
        self.state = ModeState()
        self.timeline = Timeline(
            embodiment.joint_names,
            jump_limit=np.where(self._base_D, np.inf, embodiment.jump_limit),
            base=None if base is None else embodiment.group_slice(base.name),
            # The limits of a base say how far one chunk may lead.
            reach_D=(
                np.where(self._base_D, [joint.lower for joint in embodiment.joints], -np.inf),
                np.where(self._base_D, [joint.upper for joint in embodiment.joints], np.inf),
            ),
        )
        self._policy_s = watchdogs.policy_s
        self._period_s = 1.0 / embodiment.command_hz
        self._limiter = Limiter(embodiment)
        self._topics = measured_topics(embodiment)
        self._odometry_topic = None if base is None else base.driver.odometry_topic
        self._rows = {stream.topic: list(stream.rows) for stream in joint_streams(embodiment)}
        self._watchdog = Watchdog(
            dict.fromkeys(self._rows, watchdogs.joint_states_s)
            | ({} if base is None else {self._odometry_topic: watchdogs.odometry_s})
            | {TELEOP: watchdogs.teleop_s, POLICY: watchdogs.policy_s}
        )
        self._tracking_limit_D = _tracking_limits(embodiment)
        self._tracking = (
            TrackingMonitor(embodiment.joint_names, self._tracking_limit_D)
            if check_tracking
            else None
        )
        self._measured_D = np.zeros(len(self._base_D))
        self._unheard = set(self._topics)
        self._motion: Motion | None = None
        self._retreat_D: np.ndarray | None = None
        self._teleop: Sample | None = None
        self._pressed: set[str] = set()
        self._last_steady_s: float | None = None
        self._last_ros_s = 0.0
        self._policy_wait_from_s = 0.0

    @property
    def measured_D(self) -> np.ndarray | None:
        """Measured positions [D], those of a base 0; None until every topic was heard."""
        return None if self._unheard else self._measured_D

    def on_joints(self, positions: np.ndarray, steady_s: float, topic: str | None = None) -> None:
        """Measured positions, checked already, arrived.

        Args:
            positions: those of the topic, in the order of ``joint_streams``; all [D] of them
                where there is no topic, for a robot that is not reached through ROS.
            steady_s: steady time, s.
            topic: which of ``measured_topics`` they came from.
        """
        measured_D = self._measured_D.copy()
        measured_D[slice(None) if topic is None else self._rows[topic]] = positions
        self._measured_D = np.where(self._base_D, 0.0, measured_D)
        for heard in self._topics if topic is None else (topic,):
            self._hear(heard, steady_s)

    def on_odometry(self, steady_s: float) -> None:
        """The base is alive. Where it is does not matter: its joints are displacements."""
        self._hear(self._odometry_topic, steady_s)

    def _hear(self, topic: str, steady_s: float) -> None:
        self._unheard.discard(topic)
        self._watchdog.feed(topic, steady_s)

    def on_chunk(self, chunk: ActionChunk, ros_s: float, steady_s: float) -> Offer:
        """A chunk arrived; it is used or refused whole."""
        if self._motion is None:
            return Offer(verdict=ChunkVerdict.BEFORE_MODE, reason="nothing is commanded yet")
        self._watchdog.feed(POLICY, steady_s)
        return self.timeline.offer(chunk, now_s=ros_s, command_D=self._motion.command_D)

    def on_teleop(self, target: Sample, ros_s: float, steady_s: float) -> None:
        """A person's target, finite, arrived; it takes over from autonomy at once.

        Positions for the arms; for a base velocities ahead, to the left (0) and turning.
        """
        self._teleop = target
        self._watchdog.feed(TELEOP, steady_s)
        if self.state.mode is Mode.AUTONOMY:
            self.trigger(Trigger.TELEOP_ACTIVE, "teleop moved", ros_s)

    def on_estop(self, pressed: bool, ros_s: float, what: str = ESTOP_TOPIC) -> None:
        """An emergency-stop signal; it latches, and a reset waits until all are released."""
        if not pressed:
            self._pressed.discard(what)
            return
        self._pressed.add(what)
        self.trigger(Trigger.ESTOP, what, ros_s)

    def request(
        self, trigger: Trigger, ros_s: float, steady_s: float, problems: Sequence[str] = ()
    ) -> Transition:
        """Answer a person's request; ``problems`` are the drivers', in words."""
        needed = (*self._topics, _SOURCE.get(trigger))
        blockers = [str(e) for e in self._watchdog.expired(steady_s) if e.name in needed]
        blockers += sorted(self._pressed) if trigger is Trigger.RESET else problems
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
        """One control period; None while something that is measured was never heard.

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

        target = self._target(ros_s, steady_s)
        if target is not None:
            filtered = self._limiter.limit(
                target.positions_D, target.velocities_D, self._motion, dt_s=dt_s
            )
        elif self._retreat_D is not None:
            filtered = self._limiter.limit(
                self._retreat_D, None, self._motion, dt_s=dt_s, check_jumps=False
            )
        else:
            motion = Motion.at_rest(self._motion.command_D)
            filtered = Filtered(verdict=Verdict.PASS, motion=motion, acted={})
        self._motion = filtered.motion
        return Cycle(filtered=filtered, state=self.state, following=target is not None)

    def rest(self, ros_s: float) -> None:
        """Commanding ends for a while; it will begin anew at the measured pose. Latches stay."""
        self.trigger(Trigger.HOLD, "control_node was deactivated", ros_s)
        self.timeline.clear(valid_from_s=ros_s)
        self._motion = self._retreat_D = self._last_steady_s = None
        self._unheard = set(self._topics)
        if self._tracking is not None:
            self._tracking.reset()

    def silent(self, steady_s: float) -> tuple[str, ...]:
        """In words, which topics that the robot needs have not been heard for too long."""
        expired = self._watchdog.expired(steady_s)
        return tuple(str(topic) for topic in expired if topic.name in self._topics)

    def _watch(self, ros_s: float, steady_s: float, dt_s: float) -> None:
        """Everything that ends a motion by itself."""
        for expired in self._watchdog.expired(steady_s):
            if expired.name in self._topics:
                self.trigger(Trigger.STREAM_LOST, str(expired), ros_s)
            elif expired.name == TELEOP:
                self.trigger(Trigger.TELEOP_LOST, str(expired), ros_s)
        if self._last_steady_s is not None and abs(ros_s - self._last_ros_s - dt_s) > CLOCK_JUMP_S:
            self.timeline.clear(valid_from_s=ros_s)
            jump_s = ros_s - self._last_ros_s - dt_s
            self.trigger(Trigger.STREAM_LOST, f"ROS time jumped by {jump_s:.3f} s", ros_s)
        if self._tracking is not None:
            report = self._tracking.update(self._measured_D, self._motion.command_D)
            if report.verdict is Tracking.FAULT:
                self.trigger(Trigger.TRACKING_FAULT, report.detail, ros_s)
                # Hold where the robot is, rather than push against what stopped it; a gripper goes
                # on holding what it holds.
                self._retreat_D = np.where(
                    np.isfinite(self._tracking_limit_D), self._measured_D, self._motion.command_D
                )

    def _target(self, ros_s: float, steady_s: float) -> Sample | None:
        """Where the source that the mode chose wants the robot; None means hold."""
        if self.state.mode is Mode.TELEOP:
            return self._teleop
        if self.state.mode is not Mode.AUTONOMY:
            return None
        sample = self.timeline.sample(ros_s)
        if sample is not None:
            self._policy_wait_from_s = steady_s
            return sample
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
