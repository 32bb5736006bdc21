"""A small motion of each joint, with a person's yes, through control_node as any teleoperation.

Nothing bypasses control_node: targets go out on teleop/command, the person's yes engages teleop,
and limits, speeds, collisions and watchdogs act as ever. Whatever ends the mode ends the motion.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.streams import joint_streams
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.modes import Mode

from .bounded import JOINTS_BYTES
from .finding import Finding
from .graph import rival_problem
from .newest import Newest
from .operator import Operator, connected_operator
from .wiggle_check import DWELL_S, RISE_S, Wiggle, judge, measured, plan_wiggles, strange

PERIOD_S = 0.02
"""Targets are sent at 50 Hz; teleop's watchdog is 0.2 s."""
START_S = 10.0
"""How long control_node and the joint states may take to be received."""
FRESH_S = 0.3
ENGAGE_S = 3.0
STREAM = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)


class WiggleError(QwenVlaError):
    """The motion did not begin or was ended; the robot holds. The message says why."""


def wiggle(
    robot: Embodiment, namespace: str, file: str, ask: Callable[[str], bool | None]
) -> Iterator[Finding]:
    """Move each joint of the arms and grippers a little, and say at once what was measured.

    Args:
        file: of the embodiment, to say what to change where.
        ask: asks the person, in words; only after True the joint moves; None ends.
    Raises:
        WiggleError: control_node does not run, is in a dry run or refuses; or the motion was
            ended by a fault, another person, or the joints' own answer.
    """
    with connected_operator(robot, namespace) as operator:
        mover = _Mover(operator, robot)
        try:
            for one in plan_wiggles(robot, mover.start()):
                if (yes := ask(one.words)) is None:
                    return
                if yes:
                    yield judge(robot, one, *mover.move(one), file)
        finally:
            mover.stop()


class _Mover:
    """Sends targets while a joint moves, and nothing else."""

    def __init__(self, operator: Operator, robot: Embodiment) -> None:
        self._operator, self._robot = operator, robot
        self._target_D: np.ndarray | None = None
        self._positions: dict[str, dict[str, float]] = {}
        self._streams = [
            (stream.topic, Newest(operator, JointState, stream.topic, STREAM, JOINTS_BYTES))
            for stream in joint_streams(robot)
        ]
        # While a service is called as well: teleop must not fall silent.
        operator.create_timer(PERIOD_S, self._send)

    def start(self) -> np.ndarray:
        """Where the robot is, [D], once everything that is needed is received."""
        operator = self._operator
        if not operator.wait(lambda: bool(operator.mode and operator.commands), START_S):
            raise WiggleError("control_node does not run: launch the robot, without dry_run")
        name = f"{operator.get_namespace().rstrip('/')}/control_node"
        operator.wait(lambda: name in operator.diagnostics, START_S)
        if operator.diagnostics.get(name, ("", {}))[1].get("dry_run") == "True":
            raise WiggleError("control_node is in a dry run and moves nothing: launch without it")
        if not operator.wait(lambda: self._known(self._measured()), START_S):
            raise WiggleError("not every joint is in the joint states: check --live says which")
        return self._measured()

    def move(self, one: Wiggle) -> tuple[np.ndarray, np.ndarray]:
        """Where all joints were measured before, and at the end of the way, [D] each."""
        operator = self._operator
        operator.wait(lambda: False, FRESH_S)  # what came while the person was asked is old
        if not operator.mode.startswith(Mode.HOLD.value):
            raise WiggleError(f"control_node is in {operator.mode}: call control/hold first")
        if problem := rival_problem(operator, "teleop/command", "end it: two cannot lead"):
            raise WiggleError(problem)
        self._target_D = self._command()
        operator.wait(
            lambda: False, FRESH_S
        )  # control_node has received teleop before it is engaged
        operator.insist("engage_teleop", ENGAGE_S)
        operator.wait(lambda: operator.mode.startswith(Mode.TELEOP.value), 1.0)
        start_D = self._command()
        before_D = self._run(lambda passed_s: start_D, DWELL_S, one, None)
        there_D = self._run(
            lambda passed_s: one.target(start_D, passed_s), RISE_S + DWELL_S, one, before_D
        )
        self._run(
            lambda passed_s: one.target(start_D, RISE_S + DWELL_S + passed_s),
            RISE_S + DWELL_S,
            one,
            before_D,
        )
        self.stop()
        return before_D, there_D

    def stop(self) -> None:
        """Send nothing any more, and hold."""
        if self._target_D is None:
            return
        self._target_D = None
        if self._operator.mode.startswith(Mode.TELEOP.value):
            self._operator.request("hold")  # and without its answer: silence holds in 0.2 s

    def _run(
        self,
        target: Callable[[float], np.ndarray],
        seconds: float,
        one: Wiggle,
        before_D: np.ndarray | None,
    ) -> np.ndarray:
        """Send targets for a while; the measured positions at its end, [D]."""
        operator, began_s = self._operator, time.monotonic()
        while (passed_s := time.monotonic() - began_s) < seconds:
            self._target_D = target(passed_s)
            operator.wait(lambda: False, PERIOD_S)
            if not operator.mode.startswith(Mode.TELEOP.value):
                raise WiggleError(f"stopped: {operator.mode}")
            now_D = self._measured()
            if before_D is not None and (why := strange(self._robot, one, before_D, now_D)):
                raise WiggleError(f"stopped: {why}")
        return self._measured()

    def _send(self) -> None:
        if self._target_D is not None:
            self._operator.take_over(self._target_D)

    def _command(self) -> np.ndarray:
        """What is commanded now, [D]; a base stays where it is whatever this says."""
        command_D = self._operator.commands[-1][1].copy()
        self._operator.clear_commands()
        if not self._operator.wait(lambda: bool(self._operator.commands), 1.0):
            return command_D
        return self._operator.commands[-1][1].copy()

    def _measured(self) -> np.ndarray:
        for topic, stream in self._streams:
            for message in stream.take_all():
                known = self._positions.setdefault(topic, {})
                known.update(zip(message.name, message.position, strict=False))
        return measured(self._robot, self._positions)

    def _known(self, measured_D: np.ndarray) -> bool:
        return bool(np.isfinite(measured_D[~np.array(self._robot.base_D)]).all())
