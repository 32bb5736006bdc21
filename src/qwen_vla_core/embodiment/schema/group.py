"""A group: joints, how the model acts on them, and the driver that carries them."""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, model_validator

from ...yaml_file import Strict, WrongKey
from ..gripper_drive import GripperEnds
from .action import (
    ROTATION_CHANNELS,
    BaseVelocity,
    BaseWaypoints,
    EeDelta,
    Gripper,
    JointPosition,
)
from .driver import AnyDriver
from .joint import Joint, Quantiles
from .values import Name, Positive

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
    """Which arm it belongs to, for the canonical channel layout; ignored for a base."""
    tracking_limit: Positive | None
    """Largest |measured - commanded| before the robot is held, joint units; null where contact
    makes them differ (a gripper holding something)."""
    driver: AnyDriver

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
    def teleop_kind(self) -> str:
        """How a person moves it: ``base``, ``gripper``, ``tool`` (a chain is known), ``other``."""
        if self.is_base:
            return "base"
        if isinstance(self.action, Gripper):
            return "gripper"
        return "other" if self.action.kinematics is None else "tool"

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
        if self.is_base:
            self._check_base(names)
        else:
            self._check_start()
        if isinstance(self.action, EeDelta | JointPosition) and self.action.kinematics is not None:
            chain = [link.joint for link in self.action.kinematics.links]
            if chain != names:
                raise WrongKey(
                    ("action", "kinematics", "links"),
                    f"the chain {', '.join(chain)} is not the group's joints {', '.join(names)}",
                )
        for key, quantiles, channels in (
            ("action_normalization", self.action_normalization, self.action_channels),
            ("state_normalization", self.state_normalization, self.state_channels),
        ):
            _check_channels(key, quantiles, channels)
        self._check_driver()
        return self

    def _check_base(self, names: list[str]) -> None:
        if names != list(BASE_JOINTS):
            raise WrongKey(
                "joints", f"a base has {', '.join(BASE_JOINTS)}, and not {', '.join(names)}"
            )
        if self.tracking_limit is not None:
            raise WrongKey("tracking_limit", "a base has no commanded position; write null")
        if self.start is not None:
            raise WrongKey("start", "a base starts where it stands; remove this key")

    def _check_start(self) -> None:
        if self.start is None:
            raise WrongKey("start", "is missing: the pose from which policies set out")
        if len(self.start) != len(self.joints):
            raise WrongKey("start", f"has {len(self.start)} values for {len(self.joints)} joints")
        for joint, position in zip(self.joints, self.start, strict=True):
            if not joint.lower <= position <= joint.upper:
                raise WrongKey(
                    "start",
                    f"{joint.name} at {position:g} {joint.unit} is outside its limits, "
                    f"{joint.lower:g}..{joint.upper:g}",
                )

    def _check_driver(self) -> None:
        gripper = isinstance(self.action, Gripper)
        if gripper and len(self.joints) != 1:
            raise WrongKey("joints", "a gripper has exactly one joint")
        if gripper and self.action.closed == self.action.open:
            raise WrongKey("action", "closed and open are the same position")
        if self.action.convention not in self.driver.carries:
            raise WrongKey(
                ("driver", "type"), f"{self.driver.type} cannot carry {self.action.convention}"
            )
        self.driver.check_group(self.joints, self.action)


def _check_channels(key: str, quantiles: Quantiles | None, channels: tuple[str, ...]) -> None:
    count = 0 if quantiles is None else len(quantiles.q01)
    if count != len(channels):
        raise WrongKey(
            key, f"has {count} channels; this group has {', '.join(channels) or 'none'}"
        )
    if quantiles is None:
        return
    for channel, low, high in zip(channels, quantiles.q01, quantiles.q99, strict=True):
        if low >= high:
            raise WrongKey(key, f"q01 {low} of {channel} is not below q99 {high}")
