"""How the model acts on a group of joints."""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, model_validator

from ...yaml_file import Strict, WrongKey
from .values import Name, Rotation, Vector3

ROTATION_CHANNELS = {
    "euler": ("roll", "pitch", "yaw"),
    "axis_angle": ("rx", "ry", "rz"),
    "rot6d": tuple(f"r6d_{i}" for i in range(6)),
}


class Link(Strict):
    """One joint of the chain: its axis and where it sits in the frame of the one before."""

    joint: Name
    axis: Literal["x", "y", "z", "-x", "-y", "-z"]
    """About which it turns, or along which it slides, the positive way."""
    origin_m: Vector3


class Chain(Strict):
    """A serial chain from base_link to the tool."""

    links: Annotated[tuple[Link, ...], Field(min_length=1)]
    tool_origin_m: Vector3
    """Tool frame in the frame of the last joint."""
    mount_m: Vector3 = (0.0, 0.0, 0.0)
    """Where base_link stands: on the base that carries it, or in the world. For what draws the
    robot, and what keeps its arms apart and off the table."""
    mount_rpy_rad: Vector3 = (0.0, 0.0, 0.0)
    workspace_lower_m: Vector3 | None = None
    workspace_upper_m: Vector3 | None = None
    """The box in base_link that the tool may not leave, whatever commands it; null for none."""
    source: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _ordered(self) -> "Chain":
        lower_m, upper_m = self.workspace_lower_m, self.workspace_upper_m
        if (lower_m is None) != (upper_m is None):
            missing = "lower" if lower_m is None else "upper"
            raise WrongKey(f"workspace_{missing}_m", "is missing: the other corner of the box")
        if lower_m is not None and any(a >= b for a, b in zip(lower_m, upper_m, strict=True)):
            raise WrongKey("workspace_lower_m", "is not below workspace_upper_m")
        return self


class Kinematics(Chain):
    """A chain whose tool is sent to poses, which lie in a box."""

    zero_rotation: Rotation
    """Rotation of the tool that counts as roll = pitch = yaw = 0."""
    workspace_lower_m: Vector3
    workspace_upper_m: Vector3


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
