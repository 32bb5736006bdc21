"""A group: joints, how the model acts on them, and the driver that carries them."""

from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat, model_validator

from ..gripper_drive import GripperEnds
from ..gripper_presets import GRIPPER_PRESETS
from .action import (
    ROTATION_CHANNELS,
    BaseVelocity,
    BaseWaypoints,
    EeDelta,
    Gripper,
    JointPosition,
)
from .driver import AnyDriver, InterbotixPositionGripper, InterbotixPwmGripper, TwistBase
from .joint import Joint, Quantiles
from .values import Name, Positive, Strict

BASE_JOINTS = ("base_x", "base_y", "base_yaw")


class Group(Strict):
    """An ordered set of joints that the model drives in one way and one driver carries."""

    name: Name
    joints: Annotated[tuple[Joint, ...], Field(min_length=1)]
    action: Annotated[
        EeDelta | JointPosition | Gripper | BaseWaypoints | BaseVelocity,
        Field(discriminator="convention"),
    ]
    action_normalization: Quantiles
    state_normalization: Quantiles | None = None
    """None for a base, whose position is counted from each observation and so is no state."""
    start: tuple[FiniteFloat, ...] | None = None
    """Where a motion to the start pose takes the joints before a policy is engaged: where the
    episodes begin that policies of this robot learn from, joint units, within the limits. Not the
    sleep pose, in which an arm is switched off. None for a base, which does not move for it."""
    side: Literal["left", "right"] = "left"
    """Which arm it belongs to, for the canonical channel layout; of no account for a base."""
    tracking_limit: Positive | None
    """Largest |measured - commanded| before the robot is held, joint units; null where contact
    makes them differ (a gripper holding something)."""
    driver: AnyDriver

    @model_validator(mode="before")
    @classmethod
    def _fill_in_preset(cls, group: Any) -> Any:
        """What a gripper preset knows, where the file does not say it."""
        match group:
            case {
                "action": {"convention": "gripper"} as action,
                "driver": {"type": "interbotix_position_gripper", "preset": str(name)} as driver,
            } if name in GRIPPER_PRESETS:
                ends = GRIPPER_PRESETS[name]
                fingers = {"closed": ends.finger_closed_m, "open": ends.finger_open_m}
                motor = {
                    "motor_closed_rad": ends.motor_closed_rad,
                    "motor_open_rad": ends.motor_open_rad,
                }
                return {**group, "action": fingers | action, "driver": motor | driver}
        return group

    @property
    def gripper_ends(self) -> GripperEnds:
        """Both ends of a gripper in position mode; only where the driver is one."""
        return GripperEnds(
            finger_closed_m=self.action.closed,
            finger_open_m=self.action.open,
            motor_closed_rad=self.driver.motor_closed_rad,
            motor_open_rad=self.driver.motor_open_rad,
        )

    @property
    def is_base(self) -> bool:
        """Whether it drives on wheels.

        Then it is commanded by velocity, and its joints base_x, base_y and base_yaw are
        displacements from the pose at the observation. Their position limits say how far one
        chunk may lead; their velocity and acceleration limits are those ahead, to the left
        (which wheels cannot) and turning.
        """
        return isinstance(self.action, BaseWaypoints | BaseVelocity)

    @property
    def action_channels(self) -> tuple[str, ...]:
        match self.action.convention:
            case "gripper":
                return (self.name,)
            case "joint_position":
                return tuple(joint.name for joint in self.joints)
            case "base_waypoints":
                return tuple(f"{self.name}_{channel}" for channel in ("dx", "dy", "dyaw"))
            case "base_velocity":
                return tuple(f"{self.name}_{channel}" for channel in ("forward", "turn"))
        rotation = ROTATION_CHANNELS[self.action.rotation]
        return tuple(f"{self.name}_d{channel}" for channel in ("x", "y", "z", *rotation))

    @property
    def state_channels(self) -> tuple[str, ...]:
        match self.action.convention:
            case "gripper":
                return (self.name,)
            case "joint_position":
                return tuple(joint.name for joint in self.joints)
            case "ee_delta":
                rotation = ROTATION_CHANNELS[self.action.state_rotation]
                return tuple(f"{self.name}_{channel}" for channel in ("x", "y", "z", *rotation))
        return ()

    @model_validator(mode="after")
    def _consistent(self) -> "Group":
        names = [joint.name for joint in self.joints]
        for what, quantiles, channels in (
            ("action_normalization", self.action_normalization, self.action_channels),
            ("state_normalization", self.state_normalization, self.state_channels),
        ):
            count = 0 if quantiles is None else len(quantiles.q01)
            if count != len(channels):
                raise ValueError(
                    f"{what} has {count} channels; this group has {', '.join(channels) or 'none'}"
                )
        if isinstance(self.action, EeDelta | JointPosition) and self.action.kinematics is not None:
            chain = [link.joint for link in self.action.kinematics.links]
            if chain != names:
                raise ValueError(f"the kinematic chain {chain} is not the group's joints {names}")
        elif isinstance(self.action, Gripper):
            if len(names) != 1:
                raise ValueError("a gripper has exactly one joint")
            if self.action.closed == self.action.open:
                raise ValueError("closed and open are the same position")
        if self.is_base:
            if names != list(BASE_JOINTS):
                raise ValueError(f"a base has the joints {', '.join(BASE_JOINTS)}, not {names}")
            if self.tracking_limit is not None:
                raise ValueError("a base has no commanded position; its tracking_limit is null")
            if self.start is not None:
                raise ValueError("a base starts where it stands; remove start")
        else:
            self._check_start()
        grippers = InterbotixPwmGripper | InterbotixPositionGripper
        if self.is_base != isinstance(self.driver, TwistBase) or (
            isinstance(self.driver, grippers) and not isinstance(self.action, Gripper)
        ):
            raise ValueError(f"driver {self.driver.type} cannot carry {self.action.convention}")
        if isinstance(self.driver, InterbotixPositionGripper):
            (joint,) = self.joints
            low, high = sorted((self.action.closed, self.action.open))
            if joint.lower < low or joint.upper > high:
                raise ValueError(
                    f"joint {joint.name} has limits {joint.lower}..{joint.upper}, beyond the ends "
                    f"of its driver, {low}..{high}; narrow lower and upper"
                )
        return self

    def _check_start(self) -> None:
        if self.start is None:
            raise ValueError("start is missing: the pose from which policies set out")
        if len(self.start) != len(self.joints):
            raise ValueError(f"start has {len(self.start)} values for {len(self.joints)} joints")
        for joint, position in zip(self.joints, self.start, strict=True):
            if not joint.lower <= position <= joint.upper:
                raise ValueError(
                    f"start: {joint.name} at {position:g} {joint.unit} is outside its limits, "
                    f"{joint.lower:g}..{joint.upper:g}"
                )
