"""control_node: streams filtered commands to the hardware at command_hz, whatever else happens.

Its own process, with nothing heavy in it. All decisions are ControlLoop's; this file receives,
sends and reports.
"""

import time
from collections import Counter

import numpy as np
from nav_msgs.msg import Odometry
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger as TriggerService
from trajectory_msgs.msg import JointTrajectory

from qwen_vla_core.embodiment.streams import JointStream, joint_streams
from qwen_vla_core.errors import ChunkError, QwenVlaError
from qwen_vla_core.execution import ControlLoop, Cycle, Sample
from qwen_vla_core.execution import Verdict as ChunkVerdict
from qwen_vla_core.execution.control_loop import ESTOP_OF_BASE
from qwen_vla_core.modes import Answer, Mode, Trigger
from qwen_vla_core.observation import match_joints
from qwen_vla_core.safety import Verdict

from .. import diagnostics
from ..diagnostics import DiagnosticsPublisher
from ..drivers import make_drivers
from ..messages import check_odometry, chunk_from_message, estop_in, joint_state_message
from ..qos import LATCHED, RELIABLE
from .lifecycle import EmbodimentNode, read_only
from .process import run

VERIFY_PERIOD_S = 0.2
"""How often drivers look for their hardware until they have found it as described, s."""

SERVICES = {
    "engage_policy": Trigger.ENGAGE_POLICY,
    "engage_teleop": Trigger.ENGAGE_TELEOP,
    "hold": Trigger.HOLD,
    "estop": Trigger.ESTOP,
    "reset": Trigger.RESET,
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

    def configure(self) -> None:
        """Connect everything; nothing is sent before the node is active and drivers agree."""
        self._embodiment = self.load_embodiment()
        self._names = self._embodiment.joint_names
        self._dry_run = self.get_parameter("dry_run").value
        self._loop = ControlLoop(self._embodiment, check_tracking=not self._dry_run)
        self._drivers = make_drivers(self, self._embodiment)
        self._counts = Counter()
        self._lateness_s: list[float] = []
        self._published_state = None

        self._command = self.create_publisher(JointState, "control/command", RELIABLE)
        self._mode = self.create_publisher(String, "control/mode", LATCHED)
        self._intervention = self.create_publisher(Bool, "control/intervention", LATCHED)
        self._diagnostics = DiagnosticsPublisher(self, self._embodiment.name)
        for stream in joint_streams(self._embodiment):
            receive = self._on_joint_states(stream)
            self.create_subscription(JointState, stream.topic, receive, RELIABLE)
        if self._embodiment.base is not None:
            topic = self._embodiment.base.driver.odometry_topic
            self.create_subscription(Odometry, topic, self._on_odometry, RELIABLE)
        self.create_subscription(JointTrajectory, "policy/chunk", self._on_chunk, RELIABLE)
        self.create_subscription(JointState, "teleop/command", self._on_teleop, RELIABLE)
        self.create_subscription(Bool, "estop", self._on_estop, RELIABLE)
        for name, trigger in SERVICES.items():
            self.create_service(TriggerService, f"control/{name}", self._answer(trigger))

    def on_activate(self, state: object) -> TransitionCallbackReturn:
        """Start the loop in HOLD at the measured pose; a latched stop stays latched."""
        self._loop.rest(self.now_s())
        self._published_state = None
        self._period_s = 1.0 / self._embodiment.command_hz
        self._due_s = time.monotonic() + self._period_s
        self.every(self._period_s, self._update)
        self.every(VERIFY_PERIOD_S, self._verify)
        self.every(diagnostics.PERIOD_S, self._report)
        return super().on_activate(state)

    def on_deactivate(self, state: object) -> TransitionCallbackReturn:
        """Stop the loop, and a base with it."""
        result = super().on_deactivate(state)
        if not self._dry_run and not self._driver_problems():
            for driver in self._drivers.values():
                driver.stop()
        return result

    # --- read

    def _on_joint_states(self, stream: JointStream):
        def receive(message: JointState) -> None:
            try:
                positions = match_joints(message.name, message.position, stream.driver_names)
            except QwenVlaError as error:
                self._refuse("joint_states_refused", f"{stream.topic}: {error}")
                return
            self._loop.on_joints(positions, time.monotonic(), stream.topic)

        return receive

    def _on_odometry(self, message: Odometry) -> None:
        driver = self._embodiment.base.driver
        pressed = driver.estop_in_covariance and estop_in(message)
        if pressed:  # whatever else is wrong with the message
            self._loop.on_estop(True, self.now_s(), ESTOP_OF_BASE)
            self._publish_mode()
        try:
            check_odometry(message)
        except QwenVlaError as error:
            self._refuse("odometry_refused", f"{driver.odometry_topic}: {error}")
            return
        if not pressed:
            self._loop.on_estop(False, self.now_s(), ESTOP_OF_BASE)
        self._loop.on_odometry(time.monotonic())

    def _on_chunk(self, message: JointTrajectory) -> None:
        if not self.active or self._loop.measured_D is None:
            return
        try:
            chunk = chunk_from_message(message, self._names)
        except ChunkError as error:
            self._refuse("chunks_malformed", str(error))
            return
        offer = self._loop.on_chunk(chunk, self.now_s(), time.monotonic())
        if offer.verdict is ChunkVerdict.ACCEPTED:
            self._counts["chunks_accepted"] += 1
        else:
            self._refuse(f"chunks_{offer.verdict.value.replace(' ', '_')}", offer.reason)

    def _on_teleop(self, message: JointState) -> None:
        """Positions of the arms' joints; of a base the velocities ahead and turning."""
        base_D = np.array(self._embodiment.base_D)
        positions_D, velocities_D = np.zeros(len(base_D)), np.zeros(len(base_D))
        try:
            for values_D, rows, values, what in (
                (positions_D, np.flatnonzero(~base_D), message.position, "positions"),
                (velocities_D, np.flatnonzero(base_D), message.velocity, "velocities"),
            ):
                if len(rows):
                    names = [self._names[row] for row in rows]
                    values_D[rows] = match_joints(message.name, values, names, what)
        except QwenVlaError as error:
            self._refuse("teleop_refused", str(error))
            return
        target = Sample(positions_D=positions_D, velocities_D=velocities_D)
        self._loop.on_teleop(target, self.now_s(), time.monotonic())
        self._publish_mode()

    def _on_estop(self, message: Bool) -> None:
        self._loop.on_estop(message.data, self.now_s())
        self._publish_mode()

    def _answer(self, trigger: Trigger):
        def answer(request, response):
            if not self.active:
                response.success, response.message = False, "control_node is not active"
                return response
            transition = self._loop.request(
                trigger, self.now_s(), time.monotonic(), self._driver_problems()
            )
            response.success = transition.answer is Answer.ACCEPTED
            response.message = transition.reason
            self.get_logger().info(
                f"{trigger.value}: {transition.answer.value} ({transition.reason})"
            )
            self._publish_mode()
            return response

        return answer

    # --- decide, limit, send

    def _update(self) -> None:
        ros_s, steady_s = self.now_s(), time.monotonic()
        late_s = steady_s - self._due_s
        self._lateness_s.append(late_s)
        # The timer keeps its phase and skips what it missed; so does what we compare it with.
        self._due_s += self._period_s * max(1.0, late_s // self._period_s + 1.0)
        cycle = self._loop.update(ros_s, steady_s)
        if cycle is None or self._driver_problems():
            return
        self._send(cycle, ros_s)
        self._count(cycle)
        self._publish_mode()

    def _send(self, cycle: Cycle, ros_s: float) -> None:
        motion = cycle.filtered.motion
        if not self._dry_run:
            for group in self._embodiment.groups:
                rows = self._embodiment.group_slice(group.name)
                self._drivers[group.name].send(
                    motion.command_D[rows], motion.velocity_D[rows], self._loop.measured_D[rows]
                )
        self._command.publish(
            joint_state_message(ros_s, self._names, motion.command_D, motion.velocity_D)
        )

    def _count(self, cycle: Cycle) -> None:
        if cycle.state.mode is Mode.AUTONOMY and not cycle.following:
            self._counts["autonomy_holds"] += 1
        if cycle.filtered.verdict is not Verdict.PASS:
            for rule, joints in cycle.filtered.acted.items():
                self._counts[f"{rule.value}_{cycle.filtered.verdict.value}"] += len(joints)

    # --- report

    def _publish_mode(self) -> None:
        state = self._loop.state
        if state == self._published_state:
            return
        self._published_state = state
        self._mode.publish(String(data=f"{state.mode.value}: {state.reason}"))
        self._intervention.publish(Bool(data=state.mode is Mode.TELEOP))
        self.get_logger().info(f"mode {state.mode.value}: {state.reason}")

    def _driver_problems(self) -> list[str]:
        problems = [d.problem for d in self._drivers.values() if d.problem is not None]
        return list(dict.fromkeys(problems))  # two groups may miss the same driver

    def _refuse(self, counter: str, reason: str) -> None:
        self._counts[counter] += 1
        self.get_logger().warning(f"{counter}: {reason}", throttle_duration_sec=1.0)

    def _verify(self) -> None:
        for driver in self._drivers.values():
            if driver.problem is not None:
                driver.verify()

    def _report(self) -> None:
        state = self._loop.state
        problems = self._driver_problems()
        silent = self._loop.silent(time.monotonic())
        level, message = diagnostics.OK, f"{state.mode.value}: {state.reason}"
        if problems or silent or state.fault:
            level, message = (
                diagnostics.ERROR,
                "; ".join([*problems, *silent, state.fault]).strip("; "),
            )
        elif state.mode is Mode.ESTOP or self._counts["autonomy_holds"]:
            level = diagnostics.WARN
        lateness_ms = np.array(self._lateness_s or [0.0]) * 1e3
        self._diagnostics.publish(
            level,
            message,
            {
                "mode": state.mode.value,
                "dry_run": self._dry_run,
                "period_ms": self._period_s * 1e3,
                "lateness_p50_ms": float(np.percentile(lateness_ms, 50)),
                "lateness_p99_ms": float(np.percentile(lateness_ms, 99)),
                **self._counts,
            },
        )
        self._lateness_s.clear()


def main() -> None:
    """Entry point of the control_node executable."""
    run(ControlNode)


if __name__ == "__main__":
    main()
