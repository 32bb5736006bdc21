"""What Interbotix's xs_sdk node does between its topics and the motors, without ROS.

Names, order, signs, units and quirks are the real driver's; the modes are those of an arm
prepared for streaming (profile 'velocity' 0/0). Not simulated: the drop of the arm while
set_operating_modes releases the torque, registers, reboot, commands/joint_trajectory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from .dynamixel_gripper import angle_from_finger, finger_from_angle
from .xs_arm import XsArm
from .xs_models import ARM_JOINTS, FINGER

JOINT_STATE_NAMES = (*ARM_JOINTS, "gripper", FINGER, "right_finger")
MOTOR_IDS = dict(zip((*ARM_JOINTS, "gripper"), (1, 2, 4, 6, 7, 8, 9), strict=True))
"""Interbotix motor configurations of wx250s and vx300s; 3 and 5 are shadows of 2 and 4."""
ARM_VELOCITY_RAD_S, FINGER_VELOCITY_M_S = np.pi, 1.0
"""Interbotix URDFs."""
MA_PER_N_M = 2300.0 / 4.1
"""XM430-W350 at 12 V: 2.3 A at a stall torque of 4.1 N m (data sheet)."""
ARM_GROUP, GRIPPER = "arm", "gripper"


class XsError(ValueError):
    """The driver logs this and drops the command or request, without an answer to the sender."""


@dataclass(frozen=True, kw_only=True)
class JointStates:
    """A sensor_msgs/JointState without its header; effort is a current in mA."""

    position: list[float]
    velocity: list[float]
    effort: list[float]


@dataclass(frozen=True, kw_only=True)
class RobotInfo:
    """The answer of get_robot_info, fields as in the service."""

    mode: str
    profile_type: str
    joint_names: list[str]
    joint_ids: list[int]
    joint_lower_limits: list[float]
    joint_upper_limits: list[float]
    joint_velocity_limits: list[float]
    joint_sleep_positions: list[float]
    joint_state_indices: list[int]
    num_joints: int
    name: list[str]


class XsDriver:
    """The driver of one simulated arm."""

    def __init__(self, arm: XsArm) -> None:
        self._arm, self._model = arm, arm.xs_model

    def joint_states(self) -> JointStates:
        """All joints, then both fingers: +m and -m, their velocity and effort always 0."""
        positions, velocities = self._arm.positions, self._arm.velocities
        efforts = self._arm.efforts * MA_PER_N_M
        finger_m = float(positions[-1])
        angle_rad = angle_from_finger(finger_m, self._model)
        metres_per_rad = (finger_from_angle(angle_rad + 1e-4, self._model) - finger_m) / 1e-4
        return JointStates(
            position=[*positions[:-1].tolist(), angle_rad, finger_m, -finger_m],
            velocity=[*velocities[:-1].tolist(), velocities[-1] / metres_per_rad, 0.0, 0.0],
            effort=[*efforts[:-1].tolist(), efforts[-1] * self._model.horn_m, 0.0, 0.0],
        )

    def command_group(self, name: str, values: Sequence[float]) -> None:
        """commands/joint_group: goals of the arm, rad.

        Raises:
            XsError: no such group, or another number of values than it has joints.
        """
        motors = self._motors("group", name)
        if len(values) != len(motors):
            raise XsError(
                f"number of commands ({len(values)}) does not match the number of joints in "
                f"group '{name}' ({len(motors)}); will not execute"
            )
        for motor, value in zip(motors, values, strict=True):
            self.command_single(motor, value)

    def command_single(self, name: str, value: float) -> None:
        """commands/joint_single: rad for the arm, by operating mode for the gripper.

        Raises:
            XsError: no such joint, or the value is NaN or infinite.
        """
        self._motors("single", name)
        if not isfinite(value):
            raise XsError(f"joint '{name}' was commanded {value}; the real driver does not check")
        if name == GRIPPER:
            self._arm.gripper.command(value)
        else:
            # The firmware's position limits are all that stands between a command and the gear.
            self._arm.command_joint(name, float(np.clip(value, *self._model.limits_rad[name])))

    def set_operating_modes(self, cmd_type: str, name: str, mode: str) -> None:
        """Change the mode of the gripper; the arm knows only 'position'.

        Raises:
            XsError: no such group or joint, or a mode that is not simulated.
        """
        for motor in self._motors(cmd_type, name):
            if motor == GRIPPER:
                try:
                    self._arm.gripper.set_mode(mode, self._arm.positions[-1])
                except ValueError as error:
                    raise XsError(str(error)) from error
            elif mode != "position":
                raise XsError(f"mode '{mode}' of joint '{motor}' is not simulated")

    def enable_torque(self, cmd_type: str, name: str, enable: bool) -> None:
        """Hold or release motors.

        Raises:
            XsError: no such group or joint.
        """
        for motor in self._motors(cmd_type, name):
            if motor == GRIPPER:
                self._arm.gripper.torque_enabled = enable
            else:
                self._arm.set_torque(motor, enable)

    def robot_info(self, cmd_type: str, name: str) -> RobotInfo:
        """get_robot_info; like the real driver, it calls the gripper by its left finger.

        Raises:
            XsError: no such group or joint.
        """
        motors = self._motors(cmd_type, name)
        joints = [FINGER if motor == GRIPPER else motor for motor in motors]
        limits = {**self._model.limits_rad, FINGER: self._model.finger_limits_m}
        speeds = {FINGER: FINGER_VELOCITY_M_S}
        sleep = dict(zip(ARM_JOINTS, self._model.sleep_rad, strict=True))
        sleep[FINGER] = finger_from_angle(0.0, self._model)
        return RobotInfo(
            mode=self._arm.gripper.mode if name == GRIPPER else "position",
            profile_type="velocity",
            joint_names=joints,
            joint_ids=[MOTOR_IDS[motor] for motor in motors],
            joint_lower_limits=[limits[joint][0] for joint in joints],
            joint_upper_limits=[limits[joint][1] for joint in joints],
            joint_velocity_limits=[speeds.get(joint, ARM_VELOCITY_RAD_S) for joint in joints],
            joint_sleep_positions=[sleep[joint] for joint in joints],
            joint_state_indices=[JOINT_STATE_NAMES.index(joint) for joint in joints],
            num_joints=len(joints),
            name=[ARM_GROUP, "all"] if name == "all" else [name],
        )

    def _motors(self, cmd_type: str, name: str) -> tuple[str, ...]:
        if cmd_type == "group" and name in (ARM_GROUP, "all"):
            return ARM_JOINTS if name == ARM_GROUP else (*ARM_JOINTS, GRIPPER)
        if cmd_type == "single" and name in MOTOR_IDS:
            return (name,)
        if cmd_type not in ("group", "single"):
            raise XsError(f"cmd_type was '{cmd_type}'; choices are 'group' or 'single'")
        raise XsError(f"{cmd_type} '{name}' does not exist")
