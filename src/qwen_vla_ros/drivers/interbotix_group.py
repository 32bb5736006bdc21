"""Interbotix X-series arms through the xs_sdk driver.

Commands are streamed as JointGroupCommand and JointSingleCommand; commands/joint_trajectory is
not used because the driver refuses a trajectory while one is running. The driver checks neither
limits nor NaN and holds its last goal for ever: all of that is control_node's job.
"""

import numpy as np
from interbotix_xs_msgs.msg import JointGroupCommand, JointSingleCommand
from interbotix_xs_msgs.srv import RobotInfo
from rclpy.node import Node

from qwen_vla_core.embodiment import Group
from qwen_vla_core.embodiment.gripper_drive import pwm_for

from ..qos import RELIABLE

LIMIT_TOLERANCE = 1e-3
"""The driver reports limits as float32 of rounded degrees, rad or m."""

MOVED_M = 1e-4
"""A finger commanded this far away is meant to move: some three steps of the servo's encoder."""


class RobotInfoCheck:
    """Asks get_robot_info once and compares the answer with the embodiment."""

    def __init__(
        self,
        node: Node,
        group: Group,
        cmd_type: str,
        name: str,
        mode: str,
        *,
        compare_limits: bool = True,
    ) -> None:
        self._client = node.create_client(RobotInfo, f"{group.driver.namespace}/get_robot_info")
        self._request = RobotInfo.Request(cmd_type=cmd_type, name=name)
        self._mode, self._logger = mode, node.get_logger()
        self._compare_limits = compare_limits
        self._joints = {joint.driver_name: joint for joint in group.joints}
        self._future = None
        self.joint_names: tuple[str, ...] = ()
        self.problem: str | None = f"{self._client.srv_name} has not answered; is the driver up?"

    def poll(self) -> None:
        """Ask if that has not happened; take the answer if it is there."""
        if self._future is None:
            if self._client.service_is_ready():
                self._future = self._client.call_async(self._request)
        elif self._future.done() and not self.joint_names:
            answer = self._future.result()
            self.joint_names = tuple(answer.joint_names)
            self.problem = self._judge(answer)
            if answer.profile_type == "time":
                self._logger.warning(
                    f"{self._client.srv_name}: '{self._request.name}' moves by time profile; "
                    "each command is stretched over it (see config/interbotix_modes_*.yaml)"
                )

    def _judge(self, answer: RobotInfo.Response) -> str | None:
        what = f"{self._client.srv_name}: '{self._request.name}'"
        if sorted(answer.joint_names) != sorted(self._joints):
            return f"{what} has joints {self.joint_names}, the embodiment {tuple(self._joints)}"
        if answer.mode != self._mode:
            return (
                f"{what} is in mode '{answer.mode}', the embodiment needs '{self._mode}'; "
                "set it with set_operating_modes while the arm rests"
            )
        if not self._compare_limits:
            return None
        # Without a robot_description the driver has no limits to compare with; ours rule.
        for name, lower, upper in zip(
            answer.joint_names, answer.joint_lower_limits, answer.joint_upper_limits, strict=False
        ):
            joint = self._joints[name]
            if joint.lower < lower - LIMIT_TOLERANCE or joint.upper > upper + LIMIT_TOLERANCE:
                return (
                    f"{what}: the embodiment allows {name} {joint.lower}..{joint.upper} "
                    f"{joint.unit}, the robot only {lower:.4f}..{upper:.4f}"
                )
        return None


class InterbotixDriver:
    """What all three share: nothing may be sent before the robot has been verified."""

    def __init__(self, check: RobotInfoCheck) -> None:
        self._check = check

    def verify(self) -> None:
        """Go on asking get_robot_info; never waits."""
        self._check.poll()

    @property
    def problem(self) -> str | None:
        """Why commands must not be sent yet, in words."""
        return self._check.problem

    def stop(self) -> None:
        """Nothing to send: the servos hold their last goal."""


class InterbotixGroupDriver(InterbotixDriver):
    """An arm in position mode: JointGroupCommand in the driver's own joint order."""

    def __init__(self, node: Node, group: Group) -> None:
        spec = group.driver
        super().__init__(RobotInfoCheck(node, group, "group", spec.group, "position"))
        self._group = spec.group
        self._names = [joint.driver_name for joint in group.joints]
        self._publisher = node.create_publisher(
            JointGroupCommand, f"{spec.namespace}/commands/joint_group", RELIABLE
        )

    def send(
        self, command_G: np.ndarray, velocity_G: np.ndarray, measured_G: np.ndarray | None
    ) -> None:
        """Command the arm's joints [G], rad, embodiment order."""
        order = [self._names.index(name) for name in self._check.joint_names]
        self._publisher.publish(JointGroupCommand(name=self._group, cmd=command_G[order].tolist()))


class InterbotixPwmGripperDriver(InterbotixDriver):
    """A gripper in pwm mode: a proportional loop on one finger (BridgeData).

    The last PWM stays on when commands end: the gripper goes on holding what it holds.
    """

    def __init__(self, node: Node, group: Group) -> None:
        spec = group.driver
        # The driver calls the gripper by its left finger, as the embodiment does.
        super().__init__(RobotInfoCheck(node, group, "single", spec.motor, "pwm"))
        self._spec = spec
        self._publisher = node.create_publisher(
            JointSingleCommand, f"{spec.namespace}/commands/joint_single", RELIABLE
        )

    def send(
        self, command_G: np.ndarray, velocity_G: np.ndarray, measured_G: np.ndarray | None
    ) -> None:
        """Move the finger from measured [1] towards the command [1], m."""
        effort = pwm_for(command_G[0] - measured_G[0], self._spec.gain_per_m, self._spec.pwm_limit)
        self._publisher.publish(JointSingleCommand(name=self._spec.motor, cmd=effort))


class InterbotixPositionGripperDriver(InterbotixDriver):
    """A gripper in current_based_position mode: motor angles between two ends (ALOHA).

    Silent until the command leaves where it began. The servo holds its last goal anyway, and the
    angle for the finger's measured position would move it a little: the linkage is not linear.
    """

    def __init__(self, node: Node, group: Group) -> None:
        spec = group.driver
        # The limits of the finger say nothing about goals of the motor, which push beyond what is
        # held on purpose; the motor itself has none (it is continuous in the URDF).
        mode = "current_based_position"
        check = RobotInfoCheck(node, group, "single", spec.motor, mode, compare_limits=False)
        super().__init__(check)
        self._motor, self._ends, self._logger = spec.motor, group.gripper_ends, node.get_logger()
        self._publisher = node.create_publisher(
            JointSingleCommand, f"{spec.namespace}/commands/joint_single", RELIABLE
        )
        self.stop()

    def send(
        self, command_G: np.ndarray, velocity_G: np.ndarray, measured_G: np.ndarray | None
    ) -> None:
        """Command the motor for the finger's position [1], m."""
        finger_m = float(command_G[0])
        if self._began_at_m is None:
            self._began_at_m = finger_m
        self._moves = self._moves or abs(finger_m - self._began_at_m) > MOVED_M
        if not self._moves:
            return
        if not self._ends.reach(finger_m):
            self._logger.warning(
                f"{self._publisher.topic_name}: {self._motor} stays at its end; the finger is "
                f"commanded to {finger_m:.4f} m, beyond {self._ends}",
                throttle_duration_sec=1.0,
            )
        angle_rad = self._ends.motor_rad(finger_m)
        self._publisher.publish(JointSingleCommand(name=self._motor, cmd=angle_rad))

    def stop(self) -> None:
        """Nothing to send: the servo holds its last goal."""
        self._began_at_m: float | None = None
        self._moves = False
