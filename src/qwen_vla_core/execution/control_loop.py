"""One control period: read, decide, limit. The node around it only receives and sends.

Nothing here waits. Until a person engages, and after a fault until a person has reset and engaged,
nothing is commanded, so that nothing that is measured or received can move the robot. From then on
every period yields a command, and a hold is a command as well: it repeats the last position and
stops a base at once. A base has no position to command: its joints stay at 0, and what is sent are
its velocities ahead (base_x) and turning (base_yaw). Steady time drives the watchdogs, ROS time
samples the chunk; where the two disagree, the robot holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..embodiment import Embodiment
from ..embodiment.streams import joint_streams, measured_topics
from ..modes import ENGAGES, Mode, ModeState, Transition, Trigger, step
from ..safety import (
    Filtered,
    MeasuredPose,
    Motion,
    Tracking,
    TrackingMonitor,
    Verdict,
    Watchdog,
)
from ..safety.tracking import SETTLE_S
from ..types import ActionChunk
from .clock_watch import ClockWatch
from .limiter import Limiter
from .relief import Relief
from .timeline import ChunkVerdict, Offer, Sample, Timeline

TELEOP, POLICY = "teleop", "policy"
ESTOP_OF_BASE = "the base's own emergency stop is pressed"

SHORTEST_S = 1e-6
"""Two calls are at least this far apart, s: what moves needs a time to move in."""

ROUNDING_S = 1e-6
"""ROS time as a float64 is that exact: an age may exceed its bound by rounding, s."""

ARRIVED = 1e-3
"""The command is at the start pose, rad or m: an encoder's step is 1.5e-3 rad."""

_SOURCE = {Trigger.ENGAGE_POLICY: POLICY, Trigger.ENGAGE_TELEOP: TELEOP}
"""Beside what the robot measures, what must not be silent when a person makes this request."""

_STOPS = (Trigger.HOLD, Trigger.ESTOP, Trigger.RESET, Trigger.STREAM_LOST, Trigger.HARDWARE_FAULT)
"""What ends a relief."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cycle:
    """What one control period decided.

    Attributes:
        filtered: the motion in force and what limited it; the measured pose, at rest, while
            nothing is commanded.
        state: the mode and its reason.
        commanding: whether the motion is to be sent to the hardware.
        following: whether a target from teleop or the policy was followed; a hold otherwise.
    """

    filtered: Filtered
    state: ModeState
    commanding: bool
    following: bool


class ControlLoop:
    """The state between control periods of one robot."""

    def __init__(
        self,
        embodiment: Embodiment,
        *,
        check_tracking: bool = True,
        estop_topics: Sequence[str] = (),
        state: ModeState | None = None,
    ) -> None:
        """Start in HOLD, commanding nothing.

        Args:
            embodiment: the robot.
            check_tracking: compare measured with commanded positions; not in a dry run, where
                commands are computed but the robot stays where it is.
            estop_topics: each is a press when it is silent for ``watchdogs.estop_heartbeat_s``,
                where the embodiment has one.
            state: of an earlier loop, whose latches go on; its mode must not be one that moves.
        """
        watchdogs = embodiment.watchdogs
        self._base_D = np.array(embodiment.base_D)
        base = embodiment.base
        self.state = ModeState() if state is None else state
        self.timeline = Timeline(
            embodiment.joint_names,
            step_s=embodiment.action_step_s,
            points=embodiment.horizon + 1,
            jump_limit=np.where(self._base_D, np.inf, embodiment.jump_limit),
            base=None if base is None else embodiment.group_slice(base.name),
            # The limits of a base say how far one chunk may lead.
            reach_D=(
                np.where(self._base_D, [joint.lower for joint in embodiment.joints], -np.inf),
                np.where(self._base_D, [joint.upper for joint in embodiment.joints], np.inf),
            ),
        )
        self._policy_s, self._observation_s = watchdogs.policy_s, watchdogs.observation_s
        self._period_s = 1.0 / embodiment.command_hz
        self._start_D = np.array(embodiment.start_D)
        self._limiter = Limiter(embodiment)
        self._topics = measured_topics(embodiment)
        self._odometry_topic = None if base is None else base.driver.odometry_topic
        streams = joint_streams(embodiment)
        self._rows = {stream.topic: list(stream.rows) for stream in streams}
        self._pose = MeasuredPose(
            embodiment.joint_names,
            np.array([joint.velocity for joint in embodiment.joints]),
            self._rows,
            watchdogs.joint_states_s or np.inf,
        )
        self._heartbeats = () if watchdogs.estop_heartbeat_s is None else tuple(estop_topics)
        self._watchdog = Watchdog(
            dict.fromkeys(self._rows, watchdogs.joint_states_s)
            | ({} if base is None else {self._odometry_topic: watchdogs.odometry_s})
            | {TELEOP: watchdogs.teleop_s, POLICY: watchdogs.policy_s}
            | dict.fromkeys(self._heartbeats, watchdogs.estop_heartbeat_s)
        )
        self._clocks, self._clock_problem = ClockWatch(), ""
        tracking_limit_D = _tracking_limits(embodiment)
        self._tracked_D = np.isfinite(tracking_limit_D)
        self._tracking = (
            TrackingMonitor(embodiment.joint_names, tracking_limit_D) if check_tracking else None
        )
        self._odometry_received = base is None
        self._motion: Motion | None = None  # None: nothing is commanded
        self._relief: Relief | None = None
        self._teleop: Sample | None = None
        self._pressed: set[str] = set()
        self._last_steady_s: float | None = None
        self._held_since_s: float | None = None
        self._observed_steady_s = -np.inf
        self._policy_wait_from_s = 0.0

    @property
    def measured_D(self) -> np.ndarray | None:
        """Measured positions [D], those of a base 0; None until every topic was received."""
        return self._pose.positions_D if self._pose.complete and self._odometry_received else None

    def fresh(self, rows: slice, steady_s: float) -> bool:
        """Whether the measured positions of these joints are young enough to act on."""
        lost = {expired.name for expired in self._watchdog.expired(steady_s)}
        joints = set(range(len(self._base_D))[rows])
        return not any(joints & set(of) for topic, of in self._rows.items() if topic in lost)

    def on_joints(self, positions: np.ndarray, steady_s: float, topic: str | None = None) -> str:
        """Measured positions, finite, arrived.

        Args:
            positions: those of the topic, in the order of ``joint_streams``; all [D] of them
                where there is no topic, for a robot that is not reached through ROS.
            steady_s: steady time, s.
            topic: which of ``measured_topics`` they came from.
        Returns:
            "" when they were taken; else why they cannot be true. Such samples are dropped, as if
            none had been received.
        """
        topics = self._rows if topic is None else (topic,)
        refusals = []
        for of in topics:
            refusal = self._pose.add(
                of, positions[self._rows[of]] if topic is None else positions, steady_s
            )
            if refusal:
                refusals.append(f"{of}: {refusal}")
            else:
                self._watchdog.feed(of, steady_s)
        if topic is None and self._odometry_topic is not None:
            self.on_odometry(steady_s)
        return "; ".join(refusals)

    def on_odometry(self, steady_s: float) -> None:
        """The base is alive. Where it is does not matter: its joints are displacements."""
        self._odometry_received = True
        self._watchdog.feed(self._odometry_topic, steady_s)

    def on_chunk(self, chunk: ActionChunk, ros_s: float, steady_s: float) -> Offer:
        """A chunk arrived; it is used or refused whole."""
        if self.measured_D is None:
            return Offer(verdict=ChunkVerdict.BEFORE_MODE, reason="nothing is measured yet")
        self._watchdog.feed(POLICY, steady_s)
        if self._motion is None:
            return Offer(verdict=ChunkVerdict.BEFORE_MODE, reason="nobody has engaged yet")
        offer = self.timeline.offer(chunk, now_s=ros_s, command_D=self._motion.command_D)
        if offer.verdict is ChunkVerdict.ACCEPTED:
            self._observed_steady_s = steady_s - max(ros_s - chunk.stamp_s, 0.0)
        return offer

    def on_teleop(self, target: Sample, ros_s: float, steady_s: float) -> None:
        """A person's target, finite, arrived; it takes over from autonomy at once.

        Positions for the arms; for a base velocities ahead, to the left (0) and turning.
        """
        self._teleop = target
        self._watchdog.feed(TELEOP, steady_s)
        if self.state.mode is Mode.AUTONOMY:
            self.trigger(Trigger.TELEOP_ACTIVE, "teleop moved", ros_s)

    def on_estop(self, pressed: bool, ros_s: float, source: str) -> None:
        """An emergency-stop signal of one source, in words; it latches.

        A reset waits until every source has released its own press.
        """
        if not pressed:
            self._pressed.discard(source)
            return
        self._pressed.add(source)
        self.trigger(Trigger.ESTOP, source, ros_s)

    def on_estop_heartbeat(self, topic: str, steady_s: float) -> None:
        """One of ``estop_topics`` is alive, whatever it says."""
        if topic in self._heartbeats:
            self._watchdog.feed(topic, steady_s)

    def on_hardware_fault(self, problem: str, ros_s: float) -> None:
        """A driver or a second commander made it unsafe to go on; latches while commanding."""
        if self._motion is not None:
            self.trigger(Trigger.HARDWARE_FAULT, problem, ros_s)

    def request(
        self, trigger: Trigger, ros_s: float, steady_s: float, problems: Sequence[str] = ()
    ) -> Transition:
        """Answer a person's request; ``problems`` are those of drivers and topics, in words."""
        needed = (*self._topics, *self._heartbeats, _SOURCE.get(trigger))
        blockers = [str(e) for e in self._watchdog.expired(steady_s) if e.name in needed]
        if trigger is Trigger.RESET:
            blockers += sorted(self._pressed)
        else:
            blockers += [*problems, *filter(None, [self._clock_problem])]
            if trigger in ENGAGES and self._motion is None and not blockers:
                blockers += filter(None, [self._pose.unsteady(steady_s)])
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
            self._held_since_s = None
        if self.state.mode not in (Mode.HOLD, Mode.ESTOP):
            if self._motion is None:
                self._motion = Motion.at_rest(self.measured_D)
        elif self._relief is not None and trigger in _STOPS:
            self._end_commanding()
        elif self.state.fault and not before.fault and trigger is not Trigger.TRACKING_FAULT:
            self._end_commanding()
        return transition

    def update(self, ros_s: float, steady_s: float) -> Cycle | None:
        """One control period; None while something that is measured was never received.

        Args:
            ros_s: ROS time, s.
            steady_s: steady time, s. A call between two periods, after a mode changed, is as good.
        """
        last_s = self._last_steady_s
        dt_s = self._period_s if last_s is None else max(steady_s - last_s, SHORTEST_S)
        self._watch(ros_s, steady_s)
        self._last_steady_s = steady_s
        if self.measured_D is None:
            return None
        following = False
        filtered = _at_rest(self.measured_D if self._motion is None else self._motion.command_D)
        if self._motion is not None:
            target = self._target(ros_s, steady_s)
            following = target is not None
            filtered = self._decide(target, steady_s, dt_s) or filtered
        if self._motion is not None:
            self._motion = filtered.motion
        return Cycle(
            filtered=filtered,
            state=self.state,
            commanding=self._motion is not None,
            following=following,
        )

    def pause(self, ros_s: float) -> None:
        """Pause: stop commanding until a person engages again. Latches are kept."""
        self.trigger(Trigger.HOLD, "control_node was deactivated", ros_s)
        self.timeline.clear(valid_from_s=ros_s)
        self._end_commanding()
        self._pose.clear()
        self._clocks.clear()
        self._odometry_received = self._odometry_topic is None
        self._last_steady_s = None

    def silent(self, steady_s: float) -> tuple[str, ...]:
        """In words, which topics that the robot needs have been silent for too long."""
        needed = (*self._topics, *self._heartbeats)
        expired = self._watchdog.expired(steady_s)
        return tuple(str(topic) for topic in expired if topic.name in needed)

    def _end_commanding(self) -> None:
        self._motion = self._relief = self._held_since_s = None
        if self._tracking is not None:
            self._tracking.reset()

    def _watch(self, ros_s: float, steady_s: float) -> None:
        """Everything that ends a motion by itself."""
        expired = {expired.name: str(expired) for expired in self._watchdog.expired(steady_s)}
        for topic in filter(expired.get, self._topics):
            self.trigger(Trigger.STREAM_LOST, expired[topic], ros_s)
        if TELEOP in expired:
            self.trigger(Trigger.TELEOP_LOST, expired[TELEOP], ros_s)
        for topic in self._heartbeats:
            self.on_estop(topic in expired, ros_s, f"the heartbeat of the {topic} topic is lost")
        self._clock_problem = self._clocks.update(ros_s, steady_s)
        if self._clock_problem:
            self.timeline.clear(valid_from_s=ros_s)
            self.trigger(Trigger.STREAM_LOST, self._clock_problem, ros_s)
        stale = any(topic in expired for topic in self._rows)  # says nothing about where it is
        if self._tracking is not None and self._motion is not None and not stale:
            held_s = 0.0 if self._held_since_s is None else steady_s - self._held_since_s
            report = self._tracking.update(self.measured_D, self._motion.command_D, held_s)
            if report.verdict is Tracking.FAULT and not self.state.fault:
                # A held arm that moves has lost its torque, or a person has it: no relief.
                moved = self.state.mode not in (Mode.HOLD, Mode.ESTOP) and held_s < SETTLE_S
                self.trigger(Trigger.TRACKING_FAULT, report.detail, ros_s)
                if moved:
                    self._relief = Relief(
                        self._motion.command_D, self.measured_D, self._tracked_D, steady_s
                    )
                else:
                    self._end_commanding()

    def _decide(self, target: Sample | None, steady_s: float, dt_s: float) -> Filtered | None:
        """The motion of this period while commanding; None to hold."""
        if target is not None:
            self._held_since_s = None
            return self._limiter.limit(
                target.positions_D, target.velocities_D, self._motion, dt_s=dt_s
            )
        if self.state.mode is Mode.START:
            start_D = np.where(self._tracked_D, self._start_D, self._motion.command_D)
            return self._limiter.approach(start_D, self._motion, dt_s=dt_s, slow=True)
        if self._held_since_s is None:
            self._held_since_s = steady_s
        if self._relief is None:
            return None
        pose_D = self._relief.target(self._pose, self._motion.command_D, steady_s)
        if self._relief.over:
            self._end_commanding()
        if pose_D is None:
            return None
        return self._limiter.approach(pose_D, self._motion, dt_s=dt_s, slow=False)

    def _target(self, ros_s: float, steady_s: float) -> Sample | None:
        """Where the source that the mode chose wants the robot; None means hold."""
        if self.state.mode is Mode.START:
            off_D = np.abs(self._motion.command_D - self._start_D)[self._tracked_D]
            if (off_D <= ARRIVED).all():
                self.trigger(Trigger.ARRIVED, "the robot is at its start pose", ros_s)
        if self.state.mode is Mode.TELEOP:
            return self._teleop
        if self.state.mode is not Mode.AUTONOMY:
            return None
        # The age on both clocks: one of them may be wrong.
        age_s = max(steady_s - self._observed_steady_s, ros_s - self.timeline.observed_s)
        sample = self.timeline.sample(ros_s)
        if sample is not None and age_s <= self._observation_s + ROUNDING_S:
            self._policy_wait_from_s = steady_s
            return sample
        if steady_s - self._policy_wait_from_s > self._policy_s:
            self.trigger(
                Trigger.POLICY_FAULT, f"no chunk to follow for {self._policy_s:g} s", ros_s
            )
        return None


def _at_rest(position_D: np.ndarray) -> Filtered:
    return Filtered(verdict=Verdict.PASS, motion=Motion.at_rest(position_D), acted={})


def _tracking_limits(embodiment: Embodiment) -> np.ndarray:
    """Per joint [D]; inf where contact makes measured and commanded differ."""
    return np.array(
        [group.tracking_limit or np.inf for group in embodiment.groups for _ in group.joints]
    )
