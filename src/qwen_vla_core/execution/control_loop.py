"""One control period: read, decide, limit. The node around it only receives and sends.

What was received and may be used is in inputs.py; here are mode, source and command.

Nothing here waits. Until a person engages, and after a fault until a person has reset and engaged,
nothing is commanded, so that nothing that is measured or received can move the robot. From then on
every period yields a command, and a hold is a command as well: it repeats the last position and
stops a base at once. A base has no position to command: its joints stay at 0, and what is sent are
its velocities ahead (base_x) and turning (base_yaw).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..embodiment import Embodiment
from ..modes import ENGAGES, Mode, ModeEvent, ModeState, Transition, step
from ..safety import Filtered, Motion, Verdict
from ..types import ActionChunk
from .following import Following
from .inputs import POLICY, TELEOP, Inputs
from .limiter import Limiter
from .timeline import Offer, Sample

ESTOP_OF_BASE = "the base's own emergency stop is pressed"

SHORTEST_S = 1e-6
"""Two calls are at least this far apart, s: what moves needs a time to move in."""

ARRIVED = 1e-3
"""The command is at the start pose, rad or m: an encoder's step is 1.5e-3 rad."""

FAR_OUTSIDE = 0.1
"""Share of its range that a joint may be measured outside its limits, where it rests or is folded;
0.6 rad of a waist. Farther off its measurement is in degrees, of another sign or another zero, and
would be the first command."""

_SOURCE = {ModeEvent.ENGAGE_POLICY: POLICY, ModeEvent.ENGAGE_TELEOP: TELEOP}
"""Beside what the robot measures, what must not be silent when a person makes this request."""

_STOPS = (
    ModeEvent.HOLD,
    ModeEvent.ESTOP,
    ModeEvent.RESET,
    ModeEvent.STREAM_LOST,
    ModeEvent.HARDWARE_FAULT,
)
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
    """The state between control periods of one robot.

    Attributes:
        state: the mode and its reason.
        inputs: what was received; what the robot measures goes there directly.
        limiter: what every command passes.
    """

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
        self.state = ModeState() if state is None else state
        self.inputs = Inputs(embodiment, estop_topics)
        self._policy_s = embodiment.watchdogs.policy_s
        self._period_s = 1.0 / embodiment.command_hz
        self._start_D = np.array(embodiment.start_D)
        self.limiter = Limiter(embodiment)
        self._following = Following(embodiment, check_tracking)
        self._motion: Motion | None = None  # None: nothing is commanded
        self._last_steady_s: float | None = None
        self._policy_wait_from_s = 0.0

    def on_chunk(self, chunk: ActionChunk, ros_s: float, steady_s: float) -> Offer:
        """A chunk arrived; it is used or refused whole."""
        command_D = None if self._motion is None else self._motion.command_D
        return self.inputs.on_chunk(chunk, ros_s, steady_s, command_D)

    def on_teleop(self, target: Sample, ros_s: float, steady_s: float) -> None:
        """A person's target, finite, arrived; it takes over from autonomy at once.

        Positions for the arms; for a base velocities ahead, to the left (0) and turning.
        """
        self.inputs.on_teleop(target, steady_s)
        if self.state.mode is Mode.AUTONOMY:
            self.trigger(ModeEvent.TELEOP_ACTIVE, "teleop moved", ros_s)

    def on_estop(self, pressed: bool, ros_s: float, source: str) -> None:
        """An emergency-stop signal of one source, in words; it latches.

        A reset waits until every source has released its own press.
        """
        if not pressed:
            self.inputs.pressed.discard(source)
            return
        self.inputs.pressed.add(source)
        self.trigger(ModeEvent.ESTOP, source, ros_s)

    def on_hardware_fault(self, problem: str, ros_s: float) -> None:
        """A driver or a second commander made it unsafe to go on; latches while commanding."""
        if self._motion is not None:
            self.trigger(ModeEvent.HARDWARE_FAULT, problem, ros_s)

    def request(
        self, event: ModeEvent, ros_s: float, steady_s: float, problems: Sequence[str] = ()
    ) -> Transition:
        """Answer a person's request; ``problems`` are those of drivers and topics, in words."""
        blockers = [*self.inputs.silent(steady_s, _SOURCE.get(event))]
        if event is ModeEvent.RESET:
            blockers += sorted(self.inputs.pressed)
        else:
            blockers += [*problems, *filter(None, [self.inputs.clock_problem])]
            if event is ModeEvent.GO_TO_START:
                blockers += self._start_outside()
            if event in ENGAGES and self._motion is None and not blockers:
                blockers += filter(None, [self.inputs.pose.unsteady(steady_s)])
                blockers += self._far_outside()
        before = self.state.mode
        transition = self.trigger(event, "", ros_s, blockers)
        if self.state.mode is not before:
            self._policy_wait_from_s = steady_s
        return transition

    def trigger(
        self, event: ModeEvent, detail: str, ros_s: float, blockers: Sequence[str] = ()
    ) -> Transition:
        """Apply a request or event; a new mode starts without what was planned before it."""
        before = self.state
        transition = step(before, event, detail, blockers=blockers)
        self.state = transition.state
        if self.state.mode is not before.mode:
            self.inputs.forget_plan(ros_s)
            self._following.moves()
        if self.state.mode not in (Mode.HOLD, Mode.ESTOP):
            if self._motion is None:
                self._motion = Motion.at_rest(self.inputs.measured_D)
        elif self._following.relief is not None and event in _STOPS:
            self._end_commanding()
        elif self.state.fault and not before.fault and event is not ModeEvent.TRACKING_FAULT:
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
        if self.inputs.measured_D is None:
            return None
        following = False
        filtered = _at_rest(
            self.inputs.measured_D if self._motion is None else self._motion.command_D
        )
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
        self.trigger(ModeEvent.HOLD, "control_node was deactivated", ros_s)
        self.inputs.forget_plan(ros_s)
        self._end_commanding()
        self.inputs.clear()
        self._last_steady_s = None

    def _start_outside(self) -> list[str]:
        """Joints whose start position the robot's own limits forbid: it would never arrive."""
        limits, start_D = self.limiter.limits, self._start_D
        outside_D = ~((limits.lower_D <= start_D) & (start_D <= limits.upper_D))
        return [
            f"the start of {limits.names[d]}, {start_D[d]:g}, is outside the robot's own limits, "
            f"{limits.lower_D[d]:.4f}..{limits.upper_D[d]:.4f}"
            for d in np.flatnonzero(outside_D)
        ]

    def _far_outside(self) -> list[str]:
        """Joints that are measured where they cannot be."""
        limits, measured_D = self.limiter.limits, self.inputs.measured_D
        # Grippers are pressed beyond their ends; mm instead of m are far more than a range.
        share_D = np.where(self._following.tracked_D, FAR_OUTSIDE, 1.0)
        margin_D = share_D * (limits.upper_D - limits.lower_D)
        far_D = (measured_D < limits.lower_D - margin_D) | (measured_D > limits.upper_D + margin_D)
        return [
            f"{limits.names[d]} is measured at {measured_D[d]:.4g}, far outside "
            f"{limits.lower_D[d]:.4g}..{limits.upper_D[d]:.4g}: in degrees, or of another sign?"
            for d in np.flatnonzero(far_D)
        ]

    def _end_commanding(self) -> None:
        self._motion = None
        self._following.clear()

    def _watch(self, ros_s: float, steady_s: float) -> None:
        """Everything that ends a motion by itself."""
        expired = self.inputs.expired(steady_s)
        for topic in filter(expired.get, self.inputs.measured_topics):
            self.trigger(ModeEvent.STREAM_LOST, expired[topic], ros_s)
        if TELEOP in expired:
            self.trigger(ModeEvent.TELEOP_LOST, expired[TELEOP], ros_s)
        for topic in self.inputs.heartbeats:
            self.on_estop(topic in expired, ros_s, f"the heartbeat of the {topic} topic is lost")
        clock_problem = self.inputs.check_clocks(ros_s, steady_s)
        if clock_problem:
            self.inputs.forget_plan(ros_s)
            self.trigger(ModeEvent.STREAM_LOST, clock_problem, ros_s)
        stale = not self.inputs.fresh(slice(None), steady_s)  # says nothing about where it is
        if self._motion is None or stale:
            return
        measured_D, command_D = self.inputs.measured_D, self._motion.command_D
        strays = self._following.strays(measured_D, command_D, steady_s)
        if strays and not self.state.fault:
            # A held arm that moves has lost its torque, or a person has it: no relief.
            moved = self.state.mode not in (Mode.HOLD, Mode.ESTOP)
            moved = moved and not self._following.settled(steady_s)
            self.trigger(ModeEvent.TRACKING_FAULT, strays, ros_s)
            if moved:
                self._following.relieve(command_D, measured_D, steady_s)
            else:
                self._end_commanding()

    def _decide(self, target: Sample | None, steady_s: float, dt_s: float) -> Filtered | None:
        """The motion of this period while commanding; None to hold."""
        if target is not None:
            self._following.moves()
            return self.limiter.limit(
                target.positions_D, target.velocities_D, self._motion, dt_s=dt_s
            )
        command_D = self._motion.command_D
        if self.state.mode is Mode.START:
            start_D = np.where(self._following.tracked_D, self._start_D, command_D)
            return self.limiter.approach(start_D, self._motion, dt_s=dt_s, slow=True)
        handed_over = self.state.mode is Mode.AUTONOMY and self.inputs.awaits_plan
        if handed_over and self._motion.velocity_D.any():  # by a person, in motion
            return self.limiter.brake(self._motion, dt_s=dt_s)
        self._following.holds(steady_s)
        relief = self._following.relief
        if relief is None:
            return None
        pose_D = relief.target(self.inputs.pose, command_D, steady_s)
        if relief.over:
            self._end_commanding()
        if pose_D is None:
            return None
        return self.limiter.approach(pose_D, self._motion, dt_s=dt_s, slow=False)

    def _target(self, ros_s: float, steady_s: float) -> Sample | None:
        """Where the source that the mode chose wants the robot; None means hold."""
        if self.state.mode is Mode.START:
            off_D = np.abs(self._motion.command_D - self._start_D)[self._following.tracked_D]
            if (off_D <= ARRIVED).all():
                self.trigger(ModeEvent.ARRIVED, "the robot is at its start pose", ros_s)
        if self.state.mode is Mode.TELEOP:
            return self.inputs.teleop
        if self.state.mode is not Mode.AUTONOMY:
            return None
        sample = self.inputs.planned(ros_s, steady_s)
        if sample is not None:
            self._policy_wait_from_s = steady_s
            return sample
        if steady_s - self._policy_wait_from_s > self._policy_s:
            self.trigger(
                ModeEvent.POLICY_FAULT, f"no chunk to follow for {self._policy_s:g} s", ros_s
            )
        return None


def _at_rest(position_D: np.ndarray) -> Filtered:
    return Filtered(verdict=Verdict.PASS, motion=Motion.at_rest(position_D), acted={})
