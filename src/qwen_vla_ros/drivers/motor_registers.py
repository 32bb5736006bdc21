"""What the servos of an Interbotix arm say about themselves: errors, torque, temperature, profile.

The driver publishes none of it. It reads a register of a group one servo after the other on the
bus that its commands take as well, 10 ms for six of them, so it is asked twice a second.
"""

import math
from collections import Counter
from collections.abc import Sequence

from interbotix_xs_msgs.srv import RegisterValues
from rclpy.node import Node

from qwen_vla_core.embodiment.schema import Joint

from .polled_service import PolledService

TORQUE, ERROR, TEMPERATURE = "Torque_Enable", "Hardware_Error_Status", "Present_Temperature"
VELOCITY, ACCELERATION = "Profile_Velocity", "Profile_Acceleration"
TURNS = (TORQUE, ERROR, TORQUE, TEMPERATURE, TORQUE, ERROR, TORQUE, VELOCITY, TORQUE, ACCELERATION)
"""A servo with an error has no torque either, so that both are found within about a second."""
PAUSE_S = 0.4

ERRORS = {
    0: "input voltage",
    2: "overheating",
    3: "encoder",
    4: "electrical shock",
    5: "overload",
}
"""Bits of Hardware_Error_Status (DYNAMIXEL X control table)."""

WARM_C = 65
"""The servos switch themselves off at 72 (XL430) to 80 degrees (XM430, XM540; Temperature_Limit);
then an arm falls."""

RAD_S = 0.229 * 2.0 * math.pi / 60.0
RAD_S2 = 214.577 * 2.0 * math.pi / 3600.0
"""Units of Profile_Velocity, 0.229 rev/min, and Profile_Acceleration, 214.577 rev/min^2."""
ROUNDING = 0.01
"""Share of a limit that is lost in those units."""

PROFILE_PERIODS = 2.0
"""Longest time profile, in periods of command_hz; BridgeData's is 1.25 of its own."""

UNANSWERED = 2
"""Incomplete answers in a row that mean a servo is gone: a packet may be lost now and then."""


class MotorRegisters:
    """Goes on asking the servos of one group, or one servo.

    Attributes:
        problem: what keeps them from doing what they are sent; None while all is well.
        warning: of a servo that is about to switch itself off.
    """

    def __init__(
        self,
        node: Node,
        namespace: str,
        cmd_type: str,
        name: str,
        *,
        command_hz: float,
        joints: Sequence[Joint] = (),
        moves_by_profile: bool = True,
    ) -> None:
        """Nothing is sent before the first ``poll``.

        Args:
            node: the node to ask with. namespace: of the driver.
            cmd_type, name: 'group' or 'single', and which.
            command_hz: rate of commands, which bounds a time profile.
            joints: those of the group, to compare a velocity profile with; none for a gripper.
            moves_by_profile: whether its operating mode does.
        """
        self._single, self._name = cmd_type == "single", name
        self._longest_ms = 1e3 * PROFILE_PERIODS / command_hz
        self._joints = {joint.driver_name: joint for joint in joints}
        self._moves_by_profile = moves_by_profile
        self._service = PolledService(
            node,
            RegisterValues,
            f"{namespace}/get_motor_registers",
            {
                register: RegisterValues.Request(cmd_type=cmd_type, name=name, reg=register)
                for register in dict.fromkeys(TURNS)
            },
            turns=TURNS,
            pause_s=PAUSE_S,
        )
        self.forget()

    def forget(self) -> None:
        """The driver was started again."""
        self._service.forget()
        self._read: dict[str, object] = {}
        self._values: dict[str, list[int]] = {}
        self._incomplete: Counter[str] = Counter()
        self.problem: str | None = self._service.problem
        self.warning: str | None = None

    def poll(self, now_s: float, joint_names: Sequence[str], profile_type: str) -> None:
        """Take the answers that are there, ask what is due, and judge; never waits.

        Args:
            now_s: steady time, s.
            joint_names: of the group, in the driver's order.
            profile_type: 'time' or 'velocity', as the driver remembers it.
        """
        # The driver calls a gripper by its finger.
        motors = (self._name,) if self._single else joint_names
        self._service.poll(now_s)
        for register, answer in self._service.answers.items():
            if answer is self._read.get(register):
                continue
            self._read[register] = answer
            if len(answer.values) == len(motors):
                self._values[register] = list(answer.values)
                self._incomplete[register] = 0
            else:
                self._incomplete[register] += 1
        self.problem, self.warning = self._service.problem, None
        if self.problem is None and motors:
            difference = (
                self._gone(motors) or self._fault(motors) or self._slow(motors, profile_type)
            )
            self.problem = difference and f"{self._service.name}: '{self._name}': {difference}"
            self.warning = self._warm(motors)

    def _gone(self, motors: Sequence[str]) -> str | None:
        """Which servo does not answer: the driver stops reading at the first one."""
        if VELOCITY not in self._values and not self._read[VELOCITY].values:
            return f"{motors[0]} does not answer; is its power on?"
        for register, count in self._incomplete.items():
            answered = len(self._read[register].values)
            # Interbotix's simulated driver has no register but those of the profile.
            unknown = answered == 0 and register not in self._values
            if count >= UNANSWERED and not unknown and answered < len(motors):
                return f"{motors[answered]} does not answer; look at its cable and power"
        return None

    def _fault(self, motors: Sequence[str]) -> str | None:
        for motor, status in zip(motors, self._values.get(ERROR, ()), strict=False):
            if status:
                errors = [words for bit, words in ERRORS.items() if status >> bit & 1]
                return (
                    f"{motor} has switched itself off: {' and '.join(errors) or 'unknown error'} "
                    f"({ERROR} {status}); mend the cause, then call reboot_motors"
                )
        for motor, torque in zip(motors, self._values.get(TORQUE, ()), strict=False):
            if not torque:
                return f"the torque of {motor} is off; hold the arm and call torque_enable"
        return None

    def _slow(self, motors: Sequence[str], profile_type: str) -> str | None:
        """What in the profile, by which a servo goes to its goal, is slower than the commands."""
        if not self._moves_by_profile:
            return None
        if profile_type == "time":
            longest_ms = max(self._values.get(VELOCITY, ()), default=0)
            if longest_ms > self._longest_ms:
                return (
                    f"a time profile stretches each command over {longest_ms} ms, and at most "
                    f"{self._longest_ms:g} ms can be followed; launch the arm with mode_configs "
                    "from config/interbotix_modes/ (profile_type velocity, profile_velocity 0), "
                    f"or lower {VELOCITY} with set_motor_registers"
                )
            return None
        for register, unit, limit, words in (
            (VELOCITY, RAD_S, "velocity", "rad/s"),
            (ACCELERATION, RAD_S2, "acceleration", "rad/s^2"),
        ):
            for motor, value in zip(motors, self._values.get(register, ()), strict=False):
                wanted = getattr(self._joints.get(motor), limit, 0.0)
                if 0 < value * unit < wanted * (1.0 - ROUNDING):
                    return (
                        f"{register} {value} keeps {motor} below {value * unit:.2f} {words}, the "
                        f"embodiment allows {wanted:g}; set it to 0, or lower the embodiment's"
                    )
        return None

    def _warm(self, motors: Sequence[str]) -> str | None:
        temperatures = self._values.get(TEMPERATURE, ())
        warm = [
            f"{motor} has {temperature} degrees Celsius"
            for motor, temperature in zip(motors, temperatures, strict=False)
            if temperature >= WARM_C
        ]
        if not warm:
            return None
        return (
            f"{self._service.name}: {' and '.join(warm)}; at 72 to 80 a servo switches itself off "
            "and the arm falls: pause, with the arm supported"
        )
