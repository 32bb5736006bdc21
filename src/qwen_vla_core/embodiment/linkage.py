"""Horn and rod of Interbotix's grippers: from the motor's angle to the finger's position.

xs_sdk computes the finger positions of its joint states from the motor's angle with the lengths
of the robot model that it was started with, so that both together tell which model that was.
"""

from dataclasses import dataclass
from math import asin, cos, sin, sqrt

REPORT_TOLERANCE_M = 2e-4
"""The driver computes in float32; two models are farther apart than this at nearly every angle."""


@dataclass(frozen=True, kw_only=True)
class Linkage:
    """A horn on the motor that moves each finger along its rail by a rod.

    Attributes:
        horn_m, rod_m: their lengths, > 0; the rod is not shorter than the horn.
    """

    horn_m: float
    rod_m: float

    def finger_m(self, motor_rad: float) -> float:
        """Distance of a finger from the middle, m (xs_sdk, convert_angular_position_to_linear)."""
        across_m = self.horn_m * cos(motor_rad)
        return self.horn_m * sin(motor_rad) + sqrt(self.rod_m**2 - across_m**2)

    def motor_rad(self, finger_m: float) -> float:
        """The inverse, for a finger above 0; beyond its reach the motor's end there."""
        sine = (self.horn_m**2 + finger_m**2 - self.rod_m**2) / (2 * self.horn_m * finger_m)
        return asin(min(max(sine, -1.0), 1.0))


LINKAGES = {
    "vx300s": Linkage(horn_m=0.022, rod_m=0.036),
    "aloha_vx300s": Linkage(horn_m=0.0275, rod_m=0.035),
    "wx250s": Linkage(horn_m=0.014, rod_m=0.024),
    "aloha_wx250s": Linkage(horn_m=0.020, rod_m=0.020),
}
"""By the driver's robot_model. Source: grippers.gripper.{horn_radius, arm_length} of
interbotix_xsarm_control/config/<robot_model>.yaml."""


def models_that_report(finger_m: float, motor_rad: float) -> tuple[str, ...]:
    """The robot models whose driver reports this finger position at this motor angle."""
    return tuple(
        model
        for model, linkage in LINKAGES.items()
        if abs(linkage.finger_m(motor_rad) - finger_m) <= REPORT_TOLERANCE_M
    )
