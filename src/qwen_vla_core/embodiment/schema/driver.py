"""Which hardware interface carries a group."""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, model_validator

from ...yaml_file import Strict, WrongKey
from ..gripper_presets import GRIPPER_PRESETS
from .values import Name, Positive, Topic

Preset = Literal[tuple(GRIPPER_PRESETS)]


class InterbotixGroup(Strict):
    """A group of joints carried by an Interbotix xs_sdk driver as JointGroupCommand."""

    type: Literal["interbotix_group"]
    namespace: Name
    group: Name
    """Name of the group in the driver's motor configuration."""


class InterbotixPwmGripper(Strict):
    """A gripper in pwm mode: a proportional loop on one finger, as BridgeData drives it."""

    type: Literal["interbotix_pwm_gripper"]
    namespace: Name
    motor: Name
    gain_per_m: Positive
    """Fraction of full PWM per metre of finger error."""
    pwm_limit: Annotated[FiniteFloat, Field(gt=0.0, le=885.0)]
    """Largest PWM sent; 885 is the servo's full scale."""


class InterbotixPositionGripper(Strict):
    """A gripper in current_based_position mode, sent motor angles, as ALOHA drives it.

    The finger goes linearly from the action's ``closed`` to its ``open`` while the motor goes
    from ``motor_closed_rad`` to ``motor_open_rad`` (gripper_drive.py). Nothing is sent beyond
    these ends; the joint's limits lie between them, so that the safety filter clamps first and
    says so.
    """

    type: Literal["interbotix_position_gripper"]
    namespace: Name
    motor: Name
    preset: Preset | None = None
    """Fills in the four ends where the file does not give them."""
    motor_closed_rad: FiniteFloat
    motor_open_rad: FiniteFloat

    @model_validator(mode="after")
    def _turns(self) -> "InterbotixPositionGripper":
        if self.motor_closed_rad == self.motor_open_rad:
            raise WrongKey("motor_open_rad", "is the same angle as motor_closed_rad")
        return self


class TwistBase(Strict):
    """A differential-drive base that takes velocities and answers with odometry."""

    type: Literal["twist"]
    topic: Topic
    stamped: bool
    """TwistStamped instead of Twist. It is what diff_drive_controller takes since Jazzy (its clock
    has to agree with ours within its time-out) and what Nav2's nodes take by default since Kilted;
    SLATE, most micro-ROS bases and Humble's Nav2 take Twist."""
    frame_id: Name = "base_link"
    """In the header of a TwistStamped."""
    odometry_topic: Topic
    estop_in_covariance: bool = False
    """Whether an odometry message whose first pose covariance is -1 means that the emergency stop
    of the base is pressed (Trossen's SLATE)."""
    footprint_m: tuple[Positive, Positive] | None = None
    """Length and width, around base_link; null draws the way without the body. Only what draws the
    robot uses it."""


AnyDriver = Annotated[
    InterbotixGroup | InterbotixPwmGripper | InterbotixPositionGripper | TwistBase,
    Field(discriminator="type"),
]
"""What carries a group; ``qwen_vla_ros.drivers.DRIVERS`` has the code for each type."""
