"""One arm as Interbotix's xs_sdk shows it: topics and services below the arm's namespace."""

import dataclasses

from interbotix_xs_msgs.msg import JointGroupCommand, JointSingleCommand
from interbotix_xs_msgs.srv import (
    MotorGains,
    OperatingModes,
    Reboot,
    RegisterValues,
    RobotInfo,
    TorqueEnable,
)
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.task import Future
from sensor_msgs.msg import JointState

from ..hardware.xs_arm import XsArm
from ..hardware.xs_driver import JOINT_STATE_NAMES, Modes, XsDriver, XsError


class XsEndpoint:
    """Subscribes, answers and publishes for one driver.

    Attributes:
        driver: what is behind it; faults are set there.
        mute: whether requests about its state are taken and never answered.
    """

    def __init__(self, node: Node, namespace: str, arm: XsArm) -> None:
        self._node, self._namespace, self.driver = node, namespace, XsDriver(arm)
        self.mute = False
        self._connect()

    def _connect(self) -> None:
        node, namespace = self._node, self._namespace
        self._joint_states = node.create_publisher(JointState, f"{namespace}/joint_states", 10)
        self._subscriptions = [
            node.create_subscription(kind, f"{namespace}/commands/{name}", callback, 10)
            for kind, name, callback in (
                (JointGroupCommand, "joint_group", self._on_group),
                (JointSingleCommand, "joint_single", self._on_single),
            )
        ]
        self._services = [
            # A request without an answer must not keep the node from everything else.
            node.create_service(
                kind, f"{namespace}/{name}", callback, callback_group=ReentrantCallbackGroup()
            )
            for kind, name, callback in (
                (RobotInfo, "get_robot_info", self._on_info),
                (OperatingModes, "set_operating_modes", self._on_modes),
                (TorqueEnable, "torque_enable", self._on_torque),
                (Reboot, "reboot_motors", self._on_reboot),
                (RegisterValues, "get_motor_registers", self._on_read),
                (RegisterValues, "set_motor_registers", self._on_write),
                (MotorGains, "set_motor_pid_gains", lambda request, response: response),
            )
        ]

    @property
    def runs(self) -> bool:
        """Whether the driver's process lives."""
        return self._joint_states is not None

    def end(self) -> None:
        """The driver's process ends; its servos keep their goals."""
        self._node.destroy_publisher(self._joint_states)
        self._joint_states = None
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        for service in self._services:
            self._node.destroy_service(service)

    def start(self) -> None:
        """The driver's process comes up again, with the modes that it has by default."""
        self.driver.start_with_defaults()
        self._connect()

    def publish(self) -> None:
        """Say where the joints are now, unless the driver has ended."""
        if not self.runs:
            return
        message = JointState(
            name=JOINT_STATE_NAMES, **dataclasses.asdict(self.driver.joint_states())
        )
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._joint_states.publish(message)

    def _on_group(self, message: JointGroupCommand) -> None:
        self._obey(self.driver.command_group, message.name, message.cmd)

    def _on_single(self, message: JointSingleCommand) -> None:
        self._obey(self.driver.command_single, message.name, message.cmd)

    def _on_modes(
        self, request: OperatingModes.Request, response: OperatingModes.Response
    ) -> OperatingModes.Response:
        modes = Modes(
            mode=request.mode,
            profile_type=request.profile_type or "velocity",
            profile_velocity=request.profile_velocity,
            profile_acceleration=request.profile_acceleration,
        )
        self._obey(self.driver.set_operating_modes, request.cmd_type, request.name, modes)
        return response

    def _on_torque(
        self, request: TorqueEnable.Request, response: TorqueEnable.Response
    ) -> TorqueEnable.Response:
        self._obey(self.driver.enable_torque, request.cmd_type, request.name, request.enable)
        return response

    def _on_reboot(self, request: Reboot.Request, response: Reboot.Response) -> Reboot.Response:
        self._obey(
            self.driver.reboot_motors,
            request.cmd_type,
            request.name,
            request.enable,
            request.smart_reboot,
        )
        return response

    async def _on_read(
        self, request: RegisterValues.Request, response: RegisterValues.Response
    ) -> RegisterValues.Response:
        if self.mute:
            await Future()  # which nobody completes
        values = self._obey(
            self.driver.read_registers, request.cmd_type, request.name, request.reg
        )
        response.values = values or []
        return response

    def _on_write(
        self, request: RegisterValues.Request, response: RegisterValues.Response
    ) -> RegisterValues.Response:
        self._obey(
            self.driver.write_registers,
            request.cmd_type,
            request.name,
            request.reg,
            request.value,
        )
        return response

    async def _on_info(
        self, request: RobotInfo.Request, response: RobotInfo.Response
    ) -> RobotInfo.Response:
        if self.mute:
            await Future()  # which nobody completes
        info = self._obey(self.driver.robot_info, request.cmd_type, request.name)
        return response if info is None else RobotInfo.Response(**dataclasses.asdict(info))

    def _obey(self, command, *arguments):
        """Like xs_sdk: what cannot be done is logged, and the caller gets no error."""
        try:
            return command(*arguments)
        except XsError as error:
            self._node.get_logger().error(str(error))
            return None
