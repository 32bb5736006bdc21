"""Interbotix X-series arms and grippers, below the namespace of their xs_sdk driver."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, FiniteFloat, model_validator

from ....yaml_file import WrongKey
from ...gripper_presets import GRIPPER_PRESETS
from ..joint import Joint
from ..values import Name, Positive
from .base import Action, DriverDescription

Preset = Literal[tuple(GRIPPER_PRESETS)]


class _Interbotix(DriverDescription):
    namespace: Name

    @property
    def joint_states_topic(self) -> str:
        return f"{self.namespace}/joint_states"

    @property
    def robot_description_topic(self) -> str:
        return f"{self.namespace}/robot_description"

    @property
    def frame_prefix(self) -> str:
        return f"{self.namespace}/"


class _InterbotixGripper(_Interbotix):
    carries: ClassVar = frozenset({"gripper"})
    motor: Name

    @property
    def occupies(self) -> dict[str, str]:
        # A gripper's motor and its finger are two names of one thing.
        return {f"{self.joint_states_topic}/{self.motor}": f"motor {self.motor}"}


class InterbotixGroup(_Interbotix):
    """A group of joints carried by an Interbotix xs_sdk driver as JointGroupCommand."""

    carries: ClassVar = frozenset({"joint_position", "ee_delta", "gripper"})
    type: Literal["interbotix_group"]
    group: Name
    """Name of the group in the driver's motor configuration."""


class InterbotixPwmGripper(_InterbotixGripper):
    """A gripper in pwm mode: a proportional loop on one finger, as BridgeData drives it."""

    type: Literal["interbotix_pwm_gripper"]
    gain_per_m: Positive
    """Fraction of full PWM per metre of finger error."""
    pwm_limit: Annotated[FiniteFloat, Field(gt=0.0, le=885.0)]
    """Largest PWM sent; 885 is the servo's full scale."""


class InterbotixPositionGripper(_InterbotixGripper):
    """A gripper in current_based_position mode, sent motor angles, as ALOHA drives it.

    The finger goes linearly from the action's ``closed`` to its ``open`` while the motor goes
    from ``motor_closed_rad`` to ``motor_open_rad`` (gripper_drive.py). Nothing is sent beyond
    these ends; the joint's limits lie between them, so that the safety filter clamps first and
    says so.
    """

    type: Literal["interbotix_position_gripper"]
    preset: Preset | None = None
    """Fills in the four ends where the file does not give them."""
    motor_closed_rad: FiniteFloat
    motor_open_rad: FiniteFloat

    @model_validator(mode="after")
    def _turns(self) -> "InterbotixPositionGripper":
        if self.motor_closed_rad == self.motor_open_rad:
            raise WrongKey("motor_open_rad", "is the same angle as motor_closed_rad")
        return self

    def check_group(self, joints: Sequence[Joint], action: Action) -> None:
        """Raises WrongKey where the finger's limits lie beyond the ends."""
        (joint,) = joints
        low, high = sorted((action.closed, action.open))
        if joint.lower < low or joint.upper > high:
            raise WrongKey(
                ("joints", 0),
                f"has limits {joint.lower}..{joint.upper}, beyond the ends of its driver, "
                f"{low}..{high}; narrow lower and upper",
            )
