"""One arm as Interbotix's xs_sdk shows it: topics and services below the arm's namespace."""

import dataclasses

from interbotix_xs_msgs.msg import JointGroupCommand, JointSingleCommand
from interbotix_xs_msgs.srv import OperatingModes, RobotInfo, TorqueEnable
from rclpy.node import Node
from sensor_msgs.msg import JointState

from ..hardware.xs_arm import XsArm
from ..hardware.xs_driver import JOINT_STATE_NAMES, XsDriver, XsError


class XsEndpoint:
    """Subscribes, answers and publishes for one driver."""

    def __init__(self, node: Node, namespace: str, arm: XsArm) -> None:
        self._node, self._driver = node, XsDriver(arm)
        self._joint_states = node.create_publisher(JointState, f"{namespace}/joint_states", 10)
        for kind, name, callback in (
            (JointGroupCommand, "joint_group", self._on_group),
            (JointSingleCommand, "joint_single", self._on_single),
        ):
            node.create_subscription(kind, f"{namespace}/commands/{name}", callback, 10)
        for kind, name, callback in (
            (RobotInfo, "get_robot_info", self._on_info),
            (OperatingModes, "set_operating_modes", self._on_modes),
            (TorqueEnable, "torque_enable", self._on_torque),
        ):
            node.create_service(kind, f"{namespace}/{name}", callback)

    def publish(self) -> None:
        """Say where the joints are now."""
        message = JointState(
            name=JOINT_STATE_NAMES, **dataclasses.asdict(self._driver.joint_states())
        )
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._joint_states.publish(message)

    def _on_group(self, message: JointGroupCommand) -> None:
        self._obey(self._driver.command_group, message.name, message.cmd)

    def _on_single(self, message: JointSingleCommand) -> None:
        self._obey(self._driver.command_single, message.name, message.cmd)

    def _on_modes(
        self, request: OperatingModes.Request, response: OperatingModes.Response
    ) -> OperatingModes.Response:
        self._obey(self._driver.set_operating_modes, request.cmd_type, request.name, request.mode)
        return response

    def _on_torque(
        self, request: TorqueEnable.Request, response: TorqueEnable.Response
    ) -> TorqueEnable.Response:
        self._obey(self._driver.enable_torque, request.cmd_type, request.name, request.enable)
        return response

    def _on_info(
        self, request: RobotInfo.Request, response: RobotInfo.Response
    ) -> RobotInfo.Response:
        info = self._obey(self._driver.robot_info, request.cmd_type, request.name)
        return response if info is None else RobotInfo.Response(**dataclasses.asdict(info))

    def _obey(self, command, *arguments):
        """Like xs_sdk: what cannot be done is logged, and whoever asked learns nothing."""
        try:
            return command(*arguments)
        except XsError as error:
            self._node.get_logger().error(str(error))
            return None
