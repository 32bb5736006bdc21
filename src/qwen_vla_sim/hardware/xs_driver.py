"""What Interbotix's xs_sdk node does between its topics and the motors, without ROS.

Names, order, signs, units and quirks are the real driver's; it starts with the modes of an arm
prepared for streaming (profile 'velocity' 0/0). Not simulated: the drop of the arm while
set_operating_modes releases the torque, gains, a servo's warming, commands/joint_trajectory.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from .dynamixel_gripper import angle_from_finger, finger_from_angle
from .dynamixel_servos import POSITION_MODES
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
GROUPS = {ARM_GROUP: ARM_JOINTS, "all": (*ARM_JOINTS, GRIPPER)}


TORQUE = "Torque_Enable"
PROFILE = {"Profile_Velocity": "profile_velocity", "Profile_Acceleration": "profile_acceleration"}
"""Register -> what the driver calls it."""
ROOM_WARM_C = 35
OVERLOAD = 1 << 5
"""Bit of Hardware_Error_Status (DYNAMIXEL X control table)."""


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


@dataclass(frozen=True, kw_only=True)
class Modes:
    """What the driver remembers of a group or a motor, as set_operating_modes set it."""

    mode: str = "position"
    profile_type: str = "velocity"
    profile_velocity: int = 0
    profile_acceleration: int = 0


DEFAULT_ARM = Modes(profile_type="time", profile_velocity=2000)
DEFAULT_GRIPPER = Modes(mode="pwm")
"""interbotix_xsarm_control/config/modes.yaml: what a launch without mode_configs brings."""


class XsDriver:
    """The driver of one simulated arm.

    Attributes:
        temperatures_c: what each motor says, by name.
    """

    def __init__(self, arm: XsArm) -> None:
        """Start with an arm in position mode and the gripper in the mode that it has."""
        self._arm, self._model = arm, arm.xs_model
        self._groups = dict.fromkeys(GROUPS, Modes())
        self._motors_are = dict.fromkeys(ARM_JOINTS, Modes())
        self._motors_are[GRIPPER] = Modes(mode=arm.gripper.mode)
        self._errors = dict.fromkeys(MOTOR_IDS, 0)
        self._written: dict[tuple[str, str], int] = {}
        self.temperatures_c = dict.fromkeys(MOTOR_IDS, ROOM_WARM_C)

    def start_with_defaults(self) -> None:
        """Start again as Interbotix's launch file does where it is given no modes."""
        self.set_operating_modes("group", ARM_GROUP, DEFAULT_ARM)
        self.set_operating_modes("single", GRIPPER, DEFAULT_GRIPPER)
        self.enable_torque("group", "all", True)

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
            # Whatever mode a motor is in: the driver goes by what it remembers of the group.
            self._command(motor, value, self._groups[name].mode)

    def command_single(self, name: str, value: float) -> None:
        """commands/joint_single: rad for the arm, by operating mode for the gripper.

        Raises:
            XsError: no such joint, or the value is NaN or infinite.
        """
        self._motors("single", name)
        self._command(name, value, self._motors_are[name].mode)

    def _command(self, motor: str, value: float, mode: str) -> None:
        if not isfinite(value):
            raise XsError(f"joint '{motor}' was commanded {value}; the real driver does not check")
        if motor == GRIPPER:
            self._arm.gripper.command(value)
            return
        if mode in POSITION_MODES:
            # The firmware's limits are all that stands between a command and the gear.
            value = float(np.clip(value, *self._model.limits_rad[motor]))
        self._arm.command_joint(motor, value, mode)

    def set_operating_modes(self, cmd_type: str, name: str, modes: Modes) -> None:
        """Change modes of motors, and what is remembered of a group if one is named.

        The record of any other group stays as it is, wrong from now on, as in the real driver.

        Raises:
            XsError: no such group or joint, or a mode that is not simulated.
        """
        for motor in self._motors(cmd_type, name):
            try:
                if motor == GRIPPER:
                    self._arm.gripper.set_mode(modes.mode, self._arm.positions[-1])
                else:
                    self._arm.servos.set_mode(
                        ARM_JOINTS.index(motor),
                        modes.mode,
                        modes.profile_type,
                        modes.profile_velocity,
                    )
            except ValueError as error:
                raise XsError(str(error)) from error
            self._motors_are[motor] = modes
        if cmd_type == "group":
            self._groups[name] = modes

    def enable_torque(self, cmd_type: str, name: str, enable: bool) -> None:
        """Hold or release motors; one with an error does not hold before it was rebooted.

        Raises:
            XsError: no such group or joint.
        """
        for motor in self._motors(cmd_type, name):
            self._hold(motor, enable and not self._errors[motor])

    def reboot_motors(self, cmd_type: str, name: str, enable: bool, smart_reboot: bool) -> None:
        """Restart motors, of a group perhaps only those with an error; then hold them if asked.

        Raises:
            XsError: no such group or joint.
        """
        for motor in self._motors(cmd_type, name):
            if smart_reboot and cmd_type == "group" and not self._errors[motor]:
                continue
            self._errors[motor] = 0
            self._hold(motor, enable)

    def overload(self, motor: str) -> None:
        """A motor has an overload: it switches itself off."""
        self._errors[motor] = OVERLOAD
        self._hold(motor, False)

    def read_registers(self, cmd_type: str, name: str, register: str) -> list[int]:
        """get_motor_registers: one value a motor, in the order of the group.

        Raises:
            XsError: no such group or joint, or a register that is not simulated.
        """
        return [self._read(motor, register) for motor in self._motors(cmd_type, name)]

    def write_registers(self, cmd_type: str, name: str, register: str, value: int) -> None:
        """set_motor_registers; of those that are simulated only the profile and the torque act.

        Raises:
            XsError: no such group or joint.
        """
        for motor in self._motors(cmd_type, name):
            if register == TORQUE:
                self._hold(motor, bool(value) and not self._errors[motor])
            elif register in PROFILE:
                modes = replace(self._motors_are[motor], **{PROFILE[register]: value})
                self._motors_are[motor] = modes
                if motor != GRIPPER:
                    index = ARM_JOINTS.index(motor)
                    velocity = modes.profile_velocity
                    self._arm.servos.set_profile(index, modes.profile_type, velocity)
            self._written[motor, register] = value

    def _read(self, motor: str, register: str) -> int:
        match register:
            case "Torque_Enable":
                gripper, servos = self._arm.gripper, self._arm.servos
                if motor == GRIPPER:
                    return int(gripper.torque_enabled)
                return int(servos.torque[ARM_JOINTS.index(motor)])
            case "Hardware_Error_Status":
                return self._errors[motor]
            case "Present_Temperature":
                return self.temperatures_c[motor]
            case "Profile_Velocity" | "Profile_Acceleration":
                return getattr(self._motors_are[motor], PROFILE[register])
        if (motor, register) in self._written:
            return self._written[motor, register]
        raise XsError(f"register '{register}' is not simulated; it was never written")

    def _hold(self, motor: str, enable: bool) -> None:
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
        remembered = (self._groups if cmd_type == "group" else self._motors_are)[name]
        return RobotInfo(
            mode=remembered.mode,
            profile_type=remembered.profile_type,
            joint_names=joints,
            joint_ids=[MOTOR_IDS[motor] for motor in motors],
            joint_lower_limits=[limits[joint][0] for joint in joints],
            joint_upper_limits=[limits[joint][1] for joint in joints],
            joint_velocity_limits=[speeds.get(joint, ARM_VELOCITY_RAD_S) for joint in joints],
            joint_sleep_positions=[sleep[joint] for joint in joints],
            joint_state_indices=[JOINT_STATE_NAMES.index(joint) for joint in joints],
            num_joints=len(joints),
            name=list(GROUPS) if name == "all" else [name],
        )

    def _motors(self, cmd_type: str, name: str) -> tuple[str, ...]:
        if cmd_type == "group" and name in GROUPS:
            return GROUPS[name]
        if cmd_type == "single" and name in MOTOR_IDS:
            return (name,)
        if cmd_type not in ("group", "single"):
            raise XsError(f"cmd_type was '{cmd_type}'; choices are 'group' or 'single'")
        raise XsError(f"{cmd_type} '{name}' does not exist")
