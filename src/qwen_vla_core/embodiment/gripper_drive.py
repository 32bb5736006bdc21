"""From a finger's position to what its servo is sent; the drivers and the simulators share it."""

from dataclasses import dataclass

import numpy as np


def pwm_for(error_m: float, gain_per_m: float, pwm_limit: float) -> float:
    """PWM that moves a finger by ``error_m``; bounded by +-``pwm_limit``, positive opens.

    Source: bridge_data_robot, pwm = clip((wanted - measured) * 300, +-1) * 350.
    """
    return float(np.clip(error_m * gain_per_m, -1.0, 1.0) * pwm_limit)


@dataclass(frozen=True, kw_only=True)
class GripperEnds:
    """Both ends of a gripper's stroke, for its finger and for its motor.

    ALOHA maps linearly between them, for both: an action of 0.5 is the middle of the motor's
    angles, a state of 0.5 the middle of the finger's positions. The linkage in between is not
    linear, so an action of .25/.5/.75 ends at a state of .204/.526/.843 (original constants);
    whoever trains on ALOHA's data has learnt exactly this.
    """

    finger_closed_m: float
    finger_open_m: float
    motor_closed_rad: float
    motor_open_rad: float

    def reach(self, finger_m: float) -> bool:
        """Whether a finger position lies between both ends; beyond them the motor stays there."""
        low_m, high_m = sorted((self.finger_closed_m, self.finger_open_m))
        return low_m <= finger_m <= high_m

    def motor_rad(self, finger_m: float) -> float:
        """Motor angle for a finger position, kept between both ends of the motor."""
        opening = (finger_m - self.finger_closed_m) / (self.finger_open_m - self.finger_closed_m)
        opening = min(max(opening, 0.0), 1.0)
        return (1.0 - opening) * self.motor_closed_rad + opening * self.motor_open_rad

    def __str__(self) -> str:
        return (
            f"finger {self.finger_closed_m:.4f}..{self.finger_open_m:.4f} m for motor "
            f"{self.motor_closed_rad:.4f}..{self.motor_open_rad:.4f} rad"
        )
