"""A gripper in pwm mode: a proportional loop on one finger (BridgeData)."""

import time

import numpy as np
from interbotix_xs_msgs.msg import JointSingleCommand
from rclpy.duration import Duration
from rclpy.node import Node

from qwen_vla_core.embodiment import Embodiment, Group
from qwen_vla_core.embodiment.pwm_gripper import PwmGripper

from ..qos import RELIABLE
from .interbotix import InterbotixDriver
from .robot_info import ExpectedInfo

DELIVERY_S = 0.1
"""Longest wait for the last effort to be acknowledged: a publisher that is destroyed at once takes
what was not delivered with it."""


class InterbotixPwmGripperDriver(InterbotixDriver):
    """Sends the effort of every period, and none at the end unless the gripper holds something."""

    def __init__(self, node: Node, group: Group, embodiment: Embodiment) -> None:
        spec = group.driver
        # The driver calls the gripper by its left finger, as the embodiment does.
        expected = ExpectedInfo(
            cmd_type="single", name=spec.motor, mode="pwm", joints=group.joints
        )
        super().__init__(
            node,
            spec.namespace,
            [expected],
            command_hz=embodiment.command_hz,
            moves_by_profile=False,
        )
        self._spec, self._stale_s = spec, embodiment.watchdogs.joint_states_s
        self._gripper: PwmGripper | None = None
        self._publisher = node.create_publisher(
            JointSingleCommand, f"{spec.namespace}/commands/joint_single", RELIABLE
        )

    def send(
        self, command_G: np.ndarray, velocity_G: np.ndarray, measured_G: np.ndarray | None
    ) -> None:
        """Move the finger from measured [1] towards the command [1], m."""
        if not self._is_verified():
            return
        if self._gripper is None:
            self._gripper = PwmGripper(
                gain_per_m=self._spec.gain_per_m,
                pwm_limit=self._spec.pwm_limit,
                stale_s=self._stale_s,
            )
        measured_m = None if measured_G is None else float(measured_G[0])
        self._publish(self._gripper.command(float(command_G[0]), measured_m, time.monotonic()))

    def stop(self) -> None:
        """Take the effort away from a gripper on its way; one that holds something keeps it."""
        gripper, self._gripper = self._gripper, None
        # In another mode, or one that is not known, a value of 0 would be an angle.
        if gripper is None or gripper.effort is None or not self._info.confirmed:
            return
        effort = gripper.final_effort()
        if effort != gripper.effort:
            self._publish(effort)
        self._publisher.wait_for_all_acked(Duration(seconds=DELIVERY_S))

    def _publish(self, effort: float) -> None:
        self._publisher.publish(JointSingleCommand(name=self._spec.motor, cmd=effort))
