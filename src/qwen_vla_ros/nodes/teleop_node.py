"""teleop_node: a person's hands on one device become targets on teleop/command.

Its own process. What a device means is ``teleop``'s, whether the hands have the robot is
``Session``'s; this file receives, asks control_node, and says what happens.
"""

import time

import numpy as np
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger

from qwen_vla_core.did_you_mean import did_you_mean
from qwen_vla_core.errors import EmbodimentError
from qwen_vla_core.execution import Sample
from qwen_vla_core.modes import Mode, split_mode
from qwen_vla_core.observation import match_joints
from qwen_vla_core.teleop import Ask, Hands, Mover, Session
from qwen_vla_core.teleop.session import Phase

from .. import diagnostics
from ..bounded import JOINTS_BYTES
from ..diagnostics import DiagnosticsPublisher
from ..graph import publishers_of, rival_problem
from ..messages import joint_state_message
from ..qos import LATCHED, RELIABLE
from ..stall import Stall
from ..stream_meter import StreamMeter
from ..teleop import make_device
from ..teleop.base import receive
from ..trigger_client import trigger_client
from .lifecycle import EmbodimentNode, read_only
from .priority import PRIORITY_OF_HANDS, run_first
from .process import run

CHECK_PERIOD_S = 0.2
"""How often the publishers of all topics are looked at, s."""

COMMAND = "teleop/command"

LATE_S = 3.0
"""A leader that has not arrived this long after its motors could have brought it does not move."""


class TeleopNode(EmbodimentNode):
    """One device for one robot."""

    def __init__(self) -> None:
        super().__init__("teleop_node")
        self.declare_parameter(
            "device", "", read_only("type of a device in the embodiment's teleop section")
        )
        self.declare_parameter(
            "dry_run", False, read_only("send nothing to hardware: a leader's motors stand still")
        )

    def configure(self) -> None:
        """Connect the device; nothing is published before a person presses or engages."""
        self._embodiment = robot = self.load_embodiment()
        if robot.teleop is None:
            raise EmbodimentError(f"{robot.name} has no teleop section; add one to its YAML file")
        device = self.text("device") or robot.teleop.default
        sections = {section.type: section for section in robot.teleop.devices}
        if device not in sections:
            raise EmbodimentError(
                f"{robot.name} has no teleop device '{device}'; it has {', '.join(sections)}"
                f"{did_you_mean(device, sections)}"
            )
        self._section = sections[device]
        if device == "leader" and self.get_parameter("dry_run").value:
            self._section = self._section.without_motors
        self._leader = self._section if device == "leader" else None
        self._meter = StreamMeter(time.monotonic())
        self._device = make_device(self, self._section, robot, self._refuse, self._meter)
        self._mover = Mover(robot, self._leader)
        self._session = Session(self._mover)
        self._leader_due_s: float | None = None  # while it is on its way to the robot
        self._problems: list[str] = []
        self._refusals = 0
        self._message = self._refused = self._mode = self._drive_problem = ""
        self._command: Sample | None = None
        self._command_s = -np.inf
        self._publisher = self.create_publisher(JointState, COMMAND, RELIABLE)
        self._diagnostics = DiagnosticsPublisher(self, robot.name, self.embodiment_sha256)
        self.create_subscription(String, "control/mode", self._on_mode, LATCHED)
        command = (JointState, "control/command", JOINTS_BYTES, self._on_command)
        receive(self, *command, self._refuse, self._meter)
        self._asks = {ask: trigger_client(self, f"control/{ask.value}") for ask in Ask}
        for name, answer in (
            ("engage", self._engage),
            ("release", self._release),
            ("align", self._align),
            ("hand_back", self._hand_back),
        ):
            self.create_service(Trigger, f"teleop/{name}", self._when_active(answer))

    def on_activate(self, state: object) -> TransitionCallbackReturn:
        """Begin; a dead-man must be seen released first."""
        self._session, self._leader_due_s = Session(self._mover), None
        self._stall = Stall()
        self._check_publishers()
        self.every(1.0 / self._embodiment.command_hz, self._tick)
        self.every(CHECK_PERIOD_S, self._check_publishers)
        self.every(diagnostics.PERIOD_S, self._report)
        self._say(f"{self._section.type}: listening on {', '.join(self._section.topics)}")
        return super().on_activate(state)

    def on_deactivate(self, state: object) -> TransitionCallbackReturn:
        """Let go: control_node holds."""
        if self._session.engaged:
            self._ask(Ask.HOLD)
        self._device.release()
        return super().on_deactivate(state)

    def _tick(self) -> None:
        self._stall.feed()
        self._period()

    def _period(self) -> None:
        now_s = time.monotonic()
        hands = self._device.hands(now_s)
        fresh = now_s - self._command_s <= self._embodiment.watchdogs.teleop_s
        late = self._meter.late if self._session.phase is Phase.DRIVING else []
        step = self._session.update(
            hands,
            self._mode,
            self._command if fresh else None,
            [*self._problems, *late],
            now_s,
        )
        if step.target is not None:
            target = step.target
            self._publisher.publish(
                joint_state_message(
                    self.now_s(),
                    self._embodiment.joint_names,
                    target.positions_D,
                    target.velocities_D,
                )
            )
        if step.ask is not None:
            self._ask(step.ask)
        if step.message:
            self._say(step.message)
        if hands is not None and hands.pressed and not self._session.engaged:
            self._device.release()  # refused or ended: an engagement by service or gesture is over
        command = self._command if fresh and self._leader_follows(hands, now_s) else None
        self._drive_problem = self._device.follow(command and command.positions_D, now_s)

    def _leader_follows(self, hands: Hands | None, now_s: float) -> bool:
        """Whether motors of the device are to go where the robot is commanded."""
        mode = split_mode(self._mode)[0]
        if self._session.engaged or hands is None or mode != Mode.HOLD.value:
            self._leader_due_s = None
            moves = (Mode.AUTONOMY.value, Mode.START.value)
            return not self._session.engaged and hands is not None and mode in moves
        if self._leader_due_s is None:
            return False
        apart = self._mover.apart(self._command.positions_D, hands.wish)
        if apart and now_s < self._leader_due_s:
            return True
        self._leader_due_s = None
        why = self._drive_problem or f"{', '.join(apart)}; is its torque on?"
        self._say(f"the leader does not come: {why}" if apart else "aligned: engage now")
        return False

    def _ask(self, ask: Ask) -> None:
        """Ask control_node; its answer is awaited by nobody, so that a stop is never late."""

        def answered(future) -> None:
            answer = future.result()
            if not answer.success:
                self._say(f"control_node refuses {ask.value}: {answer.message}")
                if ask is Ask.ENGAGE:
                    self._session.refuse(answer.message)

        self._asks[ask].call_async(Trigger.Request()).add_done_callback(answered)

    # --- services

    def _when_active(self, answer):
        def serve(request, response):
            if not self.active:
                response.success, response.message = False, "teleop_node is not active"
            elif answer != self._release and (stalled := self._stall.problem):
                response.success, response.message = False, stalled
            else:
                response.success, response.message = answer()
            return response

        return serve

    def _engage(self) -> tuple[bool, str]:
        if why := self._device.engage():
            return False, why
        self._message = ""
        self._period()
        return self._outcome("it is taking over")

    def _release(self) -> tuple[bool, str]:
        self._device.release()
        self._session.let_go()
        self._leader_due_s = None
        self._period()
        return True, self._message

    def _align(self) -> tuple[bool, str]:
        now_s = time.monotonic()
        hands = self._device.hands(now_s)
        if self._leader is None:
            return False, "only a leader has a pose to align with"
        if self._session.engaged:
            return False, "call teleop/release first"
        if split_mode(self._mode)[0] != Mode.HOLD.value:
            return False, f"call control/hold first: control_node is in {self._mode or 'no mode'}"
        if hands is None or self._command is None:
            return False, "the leader or control/command is silent"
        apart = self._mover.apart(self._command.positions_D, hands.wish)
        if not apart:
            return True, "leader and robot agree: engage"
        if self._device.has_motors:
            coming_s = self._mover.align_s(self._command.positions_D, hands.wish)
            self._leader_due_s = now_s + coming_s + LATE_S
            return True, f"the leader moves slowly to where the robot is: {', '.join(apart)}"
        self._message = ""
        self._session.align()
        self._period()
        return self._outcome(f"the robot moves slowly to where the leader is: {', '.join(apart)}")

    def _hand_back(self) -> tuple[bool, str]:
        if not self._session.hand_back():
            return False, "no person has the robot"
        self._period()
        return True, "requested control_node to engage the policy"

    def _outcome(self, message: str) -> tuple[bool, str]:
        if self._session.engaged:
            return True, message
        return False, self._message or "the device is silent"

    # --- what arrives, what is said

    def _on_mode(self, message: String) -> None:
        self._mode = message.data

    def _on_command(self, message: JointState) -> None:
        names = self._embodiment.joint_names
        self._command = Sample(
            positions_D=match_joints(message.name, message.position, names),
            velocities_D=match_joints(message.name, message.velocity, names),
        )
        self._command_s = time.monotonic()

    def _check_publishers(self) -> None:
        problems = [rival_problem(self, COMMAND, "stop all but one")]
        for topic in self._section.topics:
            nodes = [publisher.node for publisher in publishers_of(self, topic)]
            if len(nodes) > 1:
                problems.append(
                    f"{topic} is published by {' and '.join(sorted(nodes))}: stop all but one"
                )
        self._problems = [problem for problem in problems if problem]

    def _say(self, message: str) -> None:
        self._message = message
        self.get_logger().info(message)

    def _refuse(self, why: str) -> None:
        self._refused, self._refusals = why, self._refusals + 1
        self.get_logger().warning(f"not used: {why}", throttle_duration_sec=1.0)

    def _report(self) -> None:
        problems = [*self._problems, *filter(None, [self._drive_problem, self._refused])]
        self._refused = ""
        if self._device.hands(time.monotonic()) is None:
            problems.append(f"{self._section.type} is silent ({', '.join(self._section.topics)})")
        level = diagnostics.WARN if problems else diagnostics.OK
        message = "; ".join([*problems, self._message])
        self._diagnostics.publish(
            level,
            message,
            {
                "device": self._section.type,
                "phase": self._session.phase.name,
                "refused": self._refusals,
                **self._meter.values(time.monotonic()),
            },
        )


def main() -> None:
    """Entry point of the teleop_node executable."""
    run_first(PRIORITY_OF_HANDS)
    run(TeleopNode, commands=True)


if __name__ == "__main__":
    main()
