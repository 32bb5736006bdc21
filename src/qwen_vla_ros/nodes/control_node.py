"""control_node: streams filtered commands to the hardware at command_hz, whatever else happens.

Its own process, with nothing heavy in it. All decisions are ControlLoop's, and what arrives
goes through ControlInputs; this file sends and reports.
"""

import time
from collections import Counter

import numpy as np
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from qwen_vla_core.execution import ControlLoop, Cycle
from qwen_vla_core.execution.limiter import SPEED_SCALES
from qwen_vla_core.modes import Answer, Mode, ModeEvent
from qwen_vla_core.safety import Intersection, Rule, Verdict

from .. import diagnostics
from ..diagnostics import DiagnosticsPublisher, lateness
from ..drivers import make_drivers
from ..drivers.robot import RobotDrivers
from ..estop_topic import TELEOP_ESTOP
from ..graph import rival_problem
from ..messages import joint_state_message
from ..mode_topics import ModeTopics
from ..qos import RELIABLE
from ..stall import Stall
from .control_inputs import ControlInputs
from .lifecycle import EmbodimentNode, read_only
from .parameters import declare_number
from .priority import run_first, runs_first
from .process import run

VERIFY_PERIOD_S = 0.2
"""How often drivers and topics are looked at, s: a second commander is found well within 1 s."""

DISCOVERY_S = 1.0
"""Engaging waits for this long after the node became active, s: until then an e-stop that was
pressed before may not have been discovered."""

COMMAND = "control/command"

ESTOP = "estop"
"""Anybody may press here, also once; other topics that are named are of a button."""

NEAR = (Rule.COLLISION, Rule.WORKSPACE)
"""Rules that say in words what is in the way."""

SERVICES = {
    "engage_policy": ModeEvent.ENGAGE_POLICY,
    "engage_teleop": ModeEvent.ENGAGE_TELEOP,
    "go_to_start": ModeEvent.GO_TO_START,
    "hold": ModeEvent.HOLD,
    "estop": ModeEvent.ESTOP,
    "reset": ModeEvent.RESET,
}


class ControlNode(EmbodimentNode):
    """The only node that commands the hardware."""

    def __init__(self) -> None:
        super().__init__("control_node")
        self.declare_parameter(
            "dry_run",
            False,
            read_only("compute and show everything, send nothing to the hardware"),
        )
        self.declare_parameter(
            "estop_topics",
            [ESTOP],
            read_only(
                "std_msgs/Bool topics, one for each source of an emergency stop; nobody engages "
                "while one of them, other than estop, has no publisher"
            ),
        )
        declare_number(
            self,
            "max_speed_scale",
            1.0,
            "share of every speed limit that may be used, for a first day with a robot; may be "
            "changed while it moves",
            SPEED_SCALES,
        )
        self._loop: ControlLoop | None = None

    def configure(self) -> None:
        """Connect everything; nothing is sent before a person engages."""
        self._embodiment = self.load_embodiment()
        self._names = self._embodiment.joint_names
        self._dry_run = self.get_parameter("dry_run").value
        estop_topics = self.get_parameter("estop_topics").value
        before = self._loop
        self._loop = ControlLoop(
            self._embodiment,
            check_tracking=not self._dry_run,
            estop_topics=estop_topics,
            state=before and before.state,  # what was latched stays latched
        )
        if before is not None:  # and what is pressed, until its source says that it is released
            self._loop.inputs.pressed |= before.inputs.pressed
        self._drivers = RobotDrivers(make_drivers(self, self._embodiment), self._embodiment)
        self._robot_limits, self._intersection = {}, Intersection(limits=self._loop.limiter.limits)
        self._commanding = False
        self._counts, self._last_refusal = Counter(autonomy_holds=0), ""
        self._limited: dict[str, str] = {}  # joint -> rule, since the last report
        self._lateness_s: list[float] = []

        self._command = self.create_publisher(JointState, COMMAND, RELIABLE)
        self._rival: str | None = None
        self._feedback = self.create_publisher(JointState, "teleop/feedback", RELIABLE)
        self._mode_topics = ModeTopics(self)
        self._diagnostics = DiagnosticsPublisher(
            self, self._embodiment.name, self.embodiment_sha256
        )
        self._inputs = ControlInputs(
            self,
            self._embodiment,
            self._loop,
            estop_topics=tuple(dict.fromkeys((*estop_topics, TELEOP_ESTOP))),
            needed_stops=[topic for topic in estop_topics if topic != ESTOP],
            react=self._react,
            refuse=self._refuse,
        )
        for name, event in SERVICES.items():
            self.create_service(Trigger, f"control/{name}", self._answer(event))

    def on_activate(self, state: object) -> TransitionCallbackReturn:
        """Start the loop in HOLD, commanding nothing; a latched stop stays latched."""
        self._loop.pause(self.now_s())
        self._mode_topics.forget()
        self._period_s = 1.0 / self._embodiment.command_hz
        self._active_since_s = time.monotonic()
        self._due_s = self._active_since_s + self._period_s
        self._stall = Stall()
        self.every(self._period_s, self._period)
        self.every(VERIFY_PERIOD_S, self._verify)
        self.every(diagnostics.PERIOD_S, self._report)
        return super().on_activate(state)

    def on_deactivate(self, state: object) -> TransitionCallbackReturn:
        """Stop the loop, and the hardware with it."""
        result = super().on_deactivate(state)
        self._stop_drivers()
        self._loop.pause(self.now_s())
        self._mode_topics.publish(self._loop.state, self.now_s())
        return result

    def _answer(self, event: ModeEvent):
        def answer(request, response):
            if not self.active:
                response.success, response.message = False, "control_node is not active"
                return response
            transition = self._loop.request(
                event, self.now_s(), time.monotonic(), self._blockers(event)
            )
            response.success = transition.answer is Answer.ACCEPTED
            response.message = transition.reason
            self.get_logger().info(
                f"{event.value}: {transition.answer.value} ({transition.reason})"
            )
            self._react()
            return response

        return answer

    # --- decide, limit, send

    def _period(self) -> None:
        self._stall.feed()
        late_s = time.monotonic() - self._due_s
        self._lateness_s.append(late_s)
        # The timer keeps its phase and skips what it missed; so does what we compare it with.
        self._due_s += self._period_s * max(1.0, late_s // self._period_s + 1.0)
        self._cycle()

    def _react(self) -> None:
        """A mode that has just changed acts at once, and not in the next period."""
        if self.active and self._loop.state != self._mode_topics.published:
            self._cycle()

    def _cycle(self) -> None:
        ros_s = self.now_s()
        problems = self._driver_problems()
        if problems:
            self._loop.on_hardware_fault("; ".join(problems), ros_s)
        if self._inputs.policy_problems and self._loop.state.mode is Mode.AUTONOMY:
            self._loop.trigger(
                ModeEvent.POLICY_FAULT, "; ".join(self._inputs.policy_problems), ros_s
            )
        if self._inputs.missing_stops:
            self._loop.trigger(ModeEvent.STREAM_LOST, "; ".join(self._inputs.missing_stops), ros_s)
        self._loop.limiter.max_speed_scale = float(self.get_parameter("max_speed_scale").value)
        cycle = self._loop.update(ros_s, time.monotonic())
        if cycle is not None:
            self._send(cycle, ros_s)
            self._count(cycle)
        self._mode_topics.publish(self._loop.state, ros_s)

    def _send(self, cycle: Cycle, ros_s: float) -> None:
        motion = cycle.filtered.motion
        if cycle.commanding and not self._dry_run:
            self._drivers.send(motion, self._measured)
        elif self._commanding:
            self._stop_drivers()
        self._commanding = cycle.commanding
        message = joint_state_message(ros_s, self._names, motion.command_D, motion.velocity_D)
        self._command.publish(message)
        self._feedback.publish(message)  # for devices that can follow

    def _measured(self, rows: slice) -> np.ndarray | None:
        inputs = self._loop.inputs
        return inputs.measured_D[rows] if inputs.fresh(rows, time.monotonic()) else None

    def _stop_drivers(self) -> None:
        self._commanding = False
        if not self._dry_run:
            self._drivers.stop()

    def _count(self, cycle: Cycle) -> None:
        if cycle.state.mode is Mode.AUTONOMY and not cycle.following:
            self._counts["autonomy_holds"] += 1
        if cycle.filtered.verdict is not Verdict.PASS:
            for rule, joints in cycle.filtered.acted.items():
                self._counts[f"{rule.value}_{cycle.filtered.verdict.value}"] += len(joints)
                if rule not in NEAR:
                    self._limited |= dict.fromkeys(joints, rule.value)
            near = [words for rule in NEAR for words in cycle.filtered.acted.get(rule, ())]
            if near:
                self._last_refusal = f"stopped: {'; '.join(near)}"
                self.get_logger().warning(self._last_refusal, throttle_duration_sec=1.0)

    # --- check and report

    def _driver_problems(self) -> list[str]:
        rival = [] if self._rival is None else [self._rival]
        return [*rival, *self._drivers.problems, *self._intersection.empty]

    def _blockers(self, event: ModeEvent) -> list[str]:
        """Why a request cannot be granted now, beside the reasons that the loop finds itself."""
        blockers = [*self._driver_problems(), *self._inputs.problems]
        if event is ModeEvent.ENGAGE_POLICY:
            blockers += self._inputs.policy_problems
        active_s = time.monotonic() - self._active_since_s
        if stalled := self._stall.problem:
            blockers.append(stalled)
        if active_s < DISCOVERY_S:
            blockers.append(
                f"control_node became active {active_s:.1f} s ago and waits {DISCOVERY_S:g} s for "
                "the emergency stops to be discovered"
            )
        return blockers

    def _refuse(self, counter: str, reason: str) -> None:
        self._counts[counter] += 1
        self._last_refusal = f"{counter}: {reason}"
        self.get_logger().warning(self._last_refusal, throttle_duration_sec=1.0)

    def _verify(self) -> None:
        self._drivers.verify()
        # Also of another robot: each request of a person would move both.
        self._rival = rival_problem(
            self, COMMAND, "end one of them, or launch each robot with a namespace:= of its own"
        )
        self._obey_robot_limits()
        self._inputs.check_graph()

    def _obey_robot_limits(self) -> None:
        if (limits := self._drivers.limits) != self._robot_limits:
            self._robot_limits = limits
            self._intersection = self._loop.limiter.intersect(limits)
            for tightened in self._intersection.tightened:
                self.get_logger().warning(f"the robot's own limits hold: {tightened}")

    def _report(self) -> None:
        state = self._loop.state
        problems = [
            *self._driver_problems(),
            *self._inputs.problems,
            *self._inputs.policy_problems,
        ]
        silent = self._loop.inputs.silent(time.monotonic())
        warnings = [*self._drivers.warnings, self._last_refusal]
        level, message = diagnostics.OK, state.text
        if problems or silent or state.fault:
            level = diagnostics.ERROR
            message = "; ".join(filter(None, [*problems, *silent, state.fault]))
        elif any(warnings) or self._counts["autonomy_holds"] or state.mode is Mode.ESTOP:
            level = diagnostics.WARN
        message = "; ".join(filter(None, [message, *warnings]))
        self._last_refusal = ""
        self._diagnostics.publish(
            level,
            message,
            {
                "mode": state.mode.value,
                "commanding": self._commanding,
                "dry_run": self._dry_run,
                "real_time": runs_first(),
                "max_speed_scale": self._loop.limiter.max_speed_scale,
                **lateness(self._period_s, self._lateness_s),
                "limits_of_robot": "; ".join(self._intersection.tightened),
                "limited_joints": ", ".join(f"{j} {rule}" for j, rule in self._limited.items()),
                **self._inputs.meter.values(time.monotonic()),
                **self._counts,
            },
        )
        self._lateness_s.clear()
        self._limited.clear()


def main() -> None:
    """Entry point of the control_node executable."""
    run_first()
    run(ControlNode, commands=True)


if __name__ == "__main__":
    main()
