"""The embodiment description: what one YAML file says about one robot, checked strictly.

Unknown keys, missing limits, min >= max, NaN, and repeated names are errors. Nothing here reads
files (see loader.py) or computes motions (see kinematics.py, codec.py).
"""

from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    model_validator,
)

from .gripper_drive import GRIPPER_PRESETS, GripperEnds

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
Topic = Annotated[str, Field(pattern=r"^/?[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*$")]
Positive = Annotated[FiniteFloat, Field(gt=0.0)]
Vector3 = tuple[FiniteFloat, FiniteFloat, FiniteFloat]

BASE_JOINTS = ("base_x", "base_y", "base_yaw")
LOWEST_BASE_HZ = 5.0
"""A SLATE stops when it hears nothing for 300 ms (interbotix slate_base), diff_drive_controller
after 500 ms."""
ROTATION_CHANNELS = {
    "euler": ("roll", "pitch", "yaw"),
    "axis_angle": ("rx", "ry", "rz"),
    "rot6d": tuple(f"r6d_{i}" for i in range(6)),
}
ROTATION_TOLERANCE = 1e-3
"""How far a rotation matrix in a file may be from orthonormal: three digits are enough."""
ViewTag = Literal[
    "ego",
    "cam_left_wrist",
    "cam_right_wrist",
    "ego_depth",
    "cam_left_wrist_depth",
    "cam_right_wrist_depth",
]
"""The first three are the paper's; a depth view has a tag of its own."""
DEPTH_TAG_END = "_depth"
LONGEST_HISTORY_S = 5.0
"""So many seconds of pictures are kept in memory, about 30 MB each for one camera."""


class Strict(BaseModel):
    """Every part of the description refuses keys it does not know and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _rotation_matrix(rows: tuple[Vector3, Vector3, Vector3]) -> tuple[Vector3, Vector3, Vector3]:
    matrix = np.array(rows)
    if np.abs(matrix @ matrix.T - np.eye(3)).max() > ROTATION_TOLERANCE:
        raise ValueError("not a rotation matrix: its rows are not orthonormal")
    if np.linalg.det(matrix) < 0.0:
        raise ValueError("not a rotation matrix but a mirror image: its determinant is -1")
    return rows


Rotation = Annotated[tuple[Vector3, Vector3, Vector3], AfterValidator(_rotation_matrix)]
"""A rotation matrix, row by row."""


class PromptWords(Strict):
    """The words of the embodiment prompt (Qwen-VLA, section 2.3)."""

    robot_tag: Annotated[str, Field(min_length=1, max_length=64)]
    arms: Literal["none", "single", "dual"]
    waist: bool = False
    mobile_base: bool = False

    @model_validator(mode="after")
    def _something_to_say(self) -> "PromptWords":
        if self.arms == "none" and not self.mobile_base:
            raise ValueError("arms is none and there is no mobile_base; nothing could act")
        return self


class Camera(Strict):
    """One camera: where its images come from and how the model sees them."""

    name: Name
    topic: Topic
    tag: ViewTag
    width: Annotated[int, Field(ge=16, le=1024)]
    """Width of the model's view, pixels; the topic may carry any size."""
    height: Annotated[int, Field(ge=16, le=1024)]
    max_age_s: Positive
    optional: bool = False
    depth_range_m: tuple[Positive, Positive] | None = None
    """Nearest and farthest distance that the colours of a depth view tell apart; null for a
    colour camera."""
    history_steps: tuple[Annotated[int, Field(ge=1, le=64)], ...] = ()
    """Past pictures that the model sees before the newest one: how many action steps before it
    each was taken, rising."""

    @property
    def is_depth(self) -> bool:
        return self.depth_range_m is not None

    @property
    def frames(self) -> tuple[int, ...]:
        """Of all its pictures, oldest first: how many action steps before the newest."""
        return (*reversed(self.history_steps), 0)

    def history_s(self, action_hz: float) -> tuple[float, ...]:
        """How long before the newest each past picture was taken, s."""
        return tuple(steps / action_hz for steps in self.history_steps)

    @model_validator(mode="after")
    def _consistent(self) -> "Camera":
        if self.is_depth != self.tag.endswith(DEPTH_TAG_END):
            raise ValueError(
                f"tag {self.tag} and depth_range_m {self.depth_range_m} disagree: a depth camera "
                f"has a depth_range_m and a tag that ends with {DEPTH_TAG_END}, and no other has"
            )
        if self.depth_range_m is not None and self.depth_range_m[0] >= self.depth_range_m[1]:
            raise ValueError(f"depth_range_m {self.depth_range_m} does not rise")
        if any(a >= b for a, b in pairwise(self.history_steps)):
            raise ValueError(f"history_steps {list(self.history_steps)} do not rise")
        return self


class Joint(Strict):
    """One joint and what it may do."""

    name: Name
    hardware_name: Name | None = None
    """What its driver calls it, where that differs: both arms of an ALOHA have a 'waist'."""
    unit: Literal["rad", "m"]
    lower: FiniteFloat
    upper: FiniteFloat
    velocity: Positive
    """Speed limit, unit/s."""
    acceleration: Positive
    """Acceleration limit, unit/s^2."""
    source: Annotated[str, Field(min_length=1)]
    """Where the numbers come from."""

    @property
    def driver_name(self) -> str:
        """What its driver calls it."""
        return self.hardware_name or self.name

    @model_validator(mode="after")
    def _ordered(self) -> "Joint":
        if self.lower >= self.upper:
            raise ValueError(f"lower {self.lower} is not below upper {self.upper}")
        return self


class Quantiles(Strict):
    """The 1 % and 99 % quantiles that map native units onto [-1, 1], one pair per channel."""

    q01: tuple[FiniteFloat, ...]
    q99: tuple[FiniteFloat, ...]
    source: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _ordered(self) -> "Quantiles":
        if len(self.q01) != len(self.q99):
            raise ValueError(f"{len(self.q01)} values of q01 but {len(self.q99)} of q99")
        for channel, (low, high) in enumerate(zip(self.q01, self.q99, strict=True)):
            if low >= high:
                raise ValueError(f"channel {channel}: q01 {low} is not below q99 {high}")
        return self


class Link(Strict):
    """One joint of the chain: its axis and where it sits in the frame of the one before."""

    joint: Name
    axis: Literal["x", "y", "z"]
    origin_m: Vector3


class Chain(Strict):
    """A serial chain from base_link to the tool."""

    links: Annotated[tuple[Link, ...], Field(min_length=1)]
    tool_origin_m: Vector3
    """Tool frame in the frame of the last joint."""
    source: Annotated[str, Field(min_length=1)]


class Kinematics(Chain):
    """A chain whose tool is sent to poses, and the box it may be sent to."""

    zero_rotation: Rotation
    """Rotation of the tool that counts as roll = pitch = yaw = 0."""
    workspace_lower_m: Vector3
    workspace_upper_m: Vector3

    @model_validator(mode="after")
    def _ordered(self) -> "Kinematics":
        if any(
            a >= b for a, b in zip(self.workspace_lower_m, self.workspace_upper_m, strict=True)
        ):
            raise ValueError("workspace_lower_m is not below workspace_upper_m")
        return self


class CameraFrame(Strict):
    """The axes of a camera that does not move with the arm, from its calibration.

    Where the camera stands does not matter to a delta; where it looks does.
    """

    camera: Name
    rotation: Rotation
    """Its columns are the camera's x (right), y (down) and z (ahead) in the arm's base_link."""
    source: Annotated[str, Field(min_length=1)]
    """Which calibration, and when."""


class EeDelta(Strict):
    """The arm moves by end-effector deltas, applied to the previous target (BridgeData).

    Channels: [dx, dy, dz] m along the axes of ``frame``, then a rotation about them: ``euler``
    [droll, dpitch, dyaw] rad (BridgeData), ``axis_angle`` [drx, dry, drz] rad (Qwen-RobotManip),
    or ``rot6d``, the first two columns of the rotation matrix.
    """

    convention: Literal["ee_delta"]
    rotation: Literal["euler", "axis_angle", "rot6d"] = "euler"
    frame: CameraFrame | None = None
    """Whose axes are meant; null for the arm's base_link."""
    kinematics: Kinematics

    @property
    def state_rotation(self) -> Literal["euler", "rot6d"]:
        """How the state names the tool's rotation.

        A delta is small, but a tool may point anywhere, where Euler angles and rotation vectors
        jump; so whoever does not follow BridgeData gets 6-D (as in Qwen-RobotManip).
        """
        return "euler" if self.rotation == "euler" else "rot6d"

    @property
    def frame_name(self) -> str:
        """``base``, or the camera whose axes are meant."""
        return "base" if self.frame is None else self.frame.camera


class JointPosition(Strict):
    """The model names absolute joint positions, one channel for each joint."""

    convention: Literal["joint_position"]
    kinematics: Chain | None = None
    """Where the tool is; the actions do without, markers and experts do not."""


class Gripper(Strict):
    """The gripper opens and closes absolutely: 0 is closed, 1 is open."""

    convention: Literal["gripper"]
    closed: FiniteFloat
    open: FiniteFloat


class BaseWaypoints(Strict):
    """A mobile base follows waypoints (Qwen-VLA's navigation actions).

    Channels: [dx, dy] m and dyaw rad from one waypoint to the next, the first from where the base
    stood at the observation; all along the axes of that pose (x ahead, y left).
    """

    convention: Literal["base_waypoints"]


class BaseVelocity(Strict):
    """A mobile base drives at velocities (Mobile ALOHA's base actions).

    Channels: forward speed, m/s, and turning rate, rad/s, each for one action step.
    """

    convention: Literal["base_velocity"]


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
    preset: Literal["aloha_original", "aloha_trossen"] | None = None
    """Fills the four ends above where the file does not give them."""
    motor_closed_rad: FiniteFloat
    motor_open_rad: FiniteFloat

    @model_validator(mode="after")
    def _turns(self) -> "InterbotixPositionGripper":
        if self.motor_closed_rad == self.motor_open_rad:
            raise ValueError("motor_closed_rad and motor_open_rad are the same angle")
        return self


class TwistBase(Strict):
    """A differential-drive base that takes velocities and answers with odometry."""

    type: Literal["twist"]
    topic: Topic
    stamped: bool
    """TwistStamped instead of Twist."""
    frame_id: Name = "base_link"
    """In the header of a TwistStamped."""
    odometry_topic: Topic
    estop_in_covariance: bool = False
    """Whether an odometry message whose first pose covariance is -1 means that the emergency stop
    of the base is pressed (Trossen's SLATE)."""


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
    rest: tuple[FiniteFloat, ...]
    """A safe pose to leave the robot in, joint units."""
    side: Literal["left", "right"] = "left"
    """Which arm it belongs to, for the canonical channel layout; of no account for a base."""
    tracking_limit: Positive | None
    """Largest |measured - commanded| before the robot is held, joint units; null where contact
    makes them differ (a gripper holding something)."""
    driver: Annotated[
        InterbotixGroup | InterbotixPwmGripper | InterbotixPositionGripper | TwistBase,
        Field(discriminator="type"),
    ]

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
        if len(self.rest) != len(names):
            raise ValueError(f"rest has {len(self.rest)} values for {len(names)} joints")
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


class Watchdogs(Strict):
    """How long each part may be silent, s. Zero does not exist: silence is always a fault."""

    joint_states_s: Positive
    camera_skew_s: Positive
    """Largest time between the views of one observation."""
    frozen_camera_s: Positive | None
    """New stamps with identical pixels for this long count as a frozen camera; null in simulation,
    where a still scene really is identical."""
    teleop_s: Positive
    policy_s: Positive
    """How old the last chunk may be when a person engages, and how long autonomy waits, holding,
    for a chunk that continues; then a person must engage again."""


class Embodiment(Strict):
    """One robot.

    Attributes:
        simulated_world: which world of the simulator has this robot; None where none has.
        action_hz: rate of the model's action steps.
        command_hz: rate at which commands are streamed to the hardware.
        horizon: action steps per chunk (H).
        jump_limit: largest distance between the current command and a chunk's first reachable
            target, joint units; beyond it the chunk is refused whole.
    """

    name: Name
    simulated_world: Name | None = None
    prompt_words: PromptWords
    action_hz: Positive
    command_hz: Positive
    horizon: Annotated[int, Field(ge=1, le=64)]
    jump_limit: Positive
    cameras: Annotated[tuple[Camera, ...], Field(min_length=1)]
    groups: Annotated[tuple[Group, ...], Field(min_length=1)]
    watchdogs: Watchdogs

    @model_validator(mode="after")
    def _consistent(self) -> "Embodiment":
        for what, names in (
            ("joint", self.joint_names),
            ("camera", tuple(camera.name for camera in self.cameras)),
            ("camera tag", tuple(camera.tag for camera in self.cameras)),
            ("camera topic", tuple(camera.topic for camera in self.cameras)),
            ("group", tuple(group.name for group in self.groups)),
        ):
            repeated = {name for name in names if names.count(name) > 1}
            if repeated:
                raise ValueError(f"repeated {what}: {', '.join(sorted(repeated))}")
        for camera in self.cameras:
            if max(camera.history_s(self.action_hz), default=0.0) > LONGEST_HISTORY_S:
                raise ValueError(
                    f"camera {camera.name}: history_steps {list(camera.history_steps)} at "
                    f"{self.action_hz:g} Hz go back beyond {LONGEST_HISTORY_S:g} s"
                )
        if self.cameras[0].optional:
            raise ValueError(
                f"camera {self.cameras[0].name}: the first camera is not optional, so that there "
                "is always a picture"
            )
        for group in self.groups:
            if isinstance(group.action, EeDelta) and group.action.frame is not None:
                self._check_frame(group.name, group.action.frame.camera)
        if self.command_hz < self.action_hz:
            raise ValueError(f"command_hz {self.command_hz} is below action_hz {self.action_hz}")
        if sum(group.is_base for group in self.groups) > 1:
            raise ValueError("more than one group drives a base; a robot has one")
        if any(self.base_D) and self.command_hz < LOWEST_BASE_HZ:
            raise ValueError(
                f"command_hz {self.command_hz} is below {LOWEST_BASE_HZ}: the base would time out "
                "between commands"
            )
        return self

    @model_validator(mode="after")
    def _each_motor_once(self) -> "Embodiment":
        carried: dict[tuple[str, str], str] = {}
        for group in self.groups:
            if group.is_base:
                continue
            # A gripper's motor and its finger are two names of one thing.
            names = [(joint.driver_name, f"joint {joint.name}") for joint in group.joints]
            if not isinstance(group.driver, InterbotixGroup):
                motor = group.driver.motor
                names.append((motor, f"motor {motor} of group {group.name}"))
            for name, what in names:
                key = (group.driver.namespace, name)
                if key in carried:
                    raise ValueError(
                        f"{what} and {carried[key]} are the same {'/'.join(key)}; give each its "
                        "own hardware_name, or each driver its own namespace"
                    )
                carried[key] = what
        return self

    def _check_frame(self, group: str, camera_name: str) -> None:
        tags = {camera.name: camera.tag for camera in self.cameras}
        if camera_name not in tags:
            raise ValueError(
                f"group {group}: frame names the camera {camera_name}; there are {', '.join(tags)}"
            )
        if "wrist" in tags[camera_name]:
            raise ValueError(
                f"group {group}: the camera {camera_name} moves with a wrist, so its axes are no "
                "frame; name one that stands still"
            )

    @property
    def base(self) -> Group | None:
        """The group that drives a base, if there is one."""
        return next((group for group in self.groups if group.is_base), None)

    @property
    def base_D(self) -> tuple[bool, ...]:
        """For each joint, whether it belongs to a mobile base."""
        return tuple(group.is_base for group in self.groups for _ in group.joints)

    @property
    def joints(self) -> tuple[Joint, ...]:
        return tuple(joint for group in self.groups for joint in group.joints)

    @property
    def joint_names(self) -> tuple[str, ...]:
        return tuple(joint.name for joint in self.joints)

    @property
    def action_channels(self) -> tuple[str, ...]:
        return tuple(channel for group in self.groups for channel in group.action_channels)

    @property
    def state_channels(self) -> tuple[str, ...]:
        return tuple(channel for group in self.groups for channel in group.state_channels)

    @property
    def action_step_s(self) -> float:
        return 1.0 / self.action_hz

    @property
    def replan_steps(self) -> int:
        """Action steps from one observation to the next: a quarter of a chunk."""
        return max(1, self.horizon // 4)

    def group_slice(self, name: str) -> slice:
        """Where the joints of group ``name`` stand among ``joint_names``."""
        start = 0
        for group in self.groups:
            if group.name == name:
                return slice(start, start + len(group.joints))
            start += len(group.joints)
        raise KeyError(name)
