"""With what a person may move the robot, and how each device is mapped onto it."""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, model_validator

from ...yaml_file import Strict, WrongKey
from .values import Name, Positive, Rotation, Topic


class LeaderJoint(Strict):
    """One joint of ours = sign * the leader's joint + offset."""

    joint: Name
    leader: Name
    """What the leader's joint states call it."""
    sign: Literal[1, -1] = 1
    offset: FiniteFloat = 0.0


class LeaderGripper(Strict):
    """A gripper of ours, from closed to open, over the leader's own range."""

    joint: Name
    leader: Name | None = None
    """What the leader's joint states call it, or:"""
    topic: Topic | None = None
    """std_msgs/Float32, its own topic (GELLO)."""
    leader_closed: FiniteFloat
    leader_open: FiniteFloat
    """In the units of the joint states, or of the topic."""
    gesture: FiniteFloat | None = None
    """Beyond this, towards closed, it counts as closed: where all grippers have one, closing all
    of them after they were open engages (ALOHA's start gesture)."""

    @model_validator(mode="after")
    def _has_a_source_and_a_range(self) -> "LeaderGripper":
        if (self.leader is None) == (self.topic is None):
            raise WrongKey("leader", "or topic says where the gripper is; write one of them")
        if self.leader_closed == self.leader_open:
            raise WrongKey("leader_closed", "is the same as leader_open")
        return self


class LeaderMotors(Strict):
    """The Interbotix driver of a leader that follows the robot while the policy moves it."""

    namespace: Topic
    group: Name = "arm"
    """Its joints are those of ``joints``."""


class LeaderArm(Strict):
    """What one topic of joint states carries."""

    topic: Topic
    joints: tuple[LeaderJoint, ...] = ()
    gripper: LeaderGripper | None = None
    drive: LeaderMotors | None = None
    """Sends the leader where the robot is commanded; its torque is the driver's matter."""

    @model_validator(mode="after")
    def _drives_something(self) -> "LeaderArm":
        if self.drive is not None and not self.joints:
            raise WrongKey("drive", "has no joints to move")
        return self

    @property
    def topics(self) -> tuple[str, ...]:
        """What it is received by."""
        own = None if self.gripper is None else self.gripper.topic
        return (self.topic,) if own is None else (self.topic, own)


class Leader(Strict):
    """One arm or several that a person moves by hand; they publish sensor_msgs/JointState."""

    type: Literal["leader"]
    arms: Annotated[tuple[LeaderArm, ...], Field(min_length=1)]
    absolute: bool = False
    """Whether the robot takes the leader's pose, and not only its motion: then engaging is
    refused until both agree."""
    agreement_rad: Positive = 0.15
    """How far the joints of an absolute leader may be from ours at most, rad or m; those of
    grippers are ignored."""
    source: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> "Leader":
        own = [topic for arm in self.arms for topic in arm.topics[1:]]
        joints = [arm.topic for arm in self.arms]
        if repeated := {topic for topic in own if own.count(topic) > 1 or topic in joints}:
            raise WrongKey("arms", f"{repeated.pop()} is more than one gripper's topic")
        if len({arm.drive is None for arm in self.arms}) > 1:
            raise WrongKey("arms", "write drive for all of them or for none")
        return self

    @property
    def topics(self) -> tuple[str, ...]:
        """What it is received by."""
        return tuple(dict.fromkeys(topic for arm in self.arms for topic in arm.topics))

    @property
    def without_motors(self) -> "Leader":
        """The same leader, which nothing moves."""
        arms = tuple(arm.model_copy(update={"drive": None}) for arm in self.arms)
        return self.model_copy(update={"arms": arms})


class Joy(Strict):
    """A gamepad; sensor_msgs/Joy."""

    type: Literal["joy"]
    topic: Topic = "joy"
    gamepad: Name = "game_controller"
    """Which file of config/teleop says what its axes and buttons do."""

    @property
    def topics(self) -> tuple[str, ...]:
        """What it is received by."""
        return (self.topic,)


class Keyboard(Strict):
    """``qwen-vla teleop`` in a terminal; sensor_msgs/Joy in the layout of our keyboard file."""

    type: Literal["keyboard"]
    topic: Topic = "teleop/keyboard"
    gamepad: Literal["keyboard"] = "keyboard"

    @property
    def topics(self) -> tuple[str, ...]:
        """What it is received by."""
        return (self.topic,)


class TwistInput(Strict):
    """Velocities of one arm's tool, along the axes of its base_link, or of the base."""

    type: Literal["twist"]
    topic: Topic = "teleop/twist"
    stamped: bool = False
    """Whether it publishes geometry_msgs/TwistStamped."""
    group: Name
    """The arm or the base that it moves."""

    @property
    def topics(self) -> tuple[str, ...]:
        """What it is received by."""
        return (self.topic,)


class ClutchedPose(Strict):
    """A hand's pose while a clutch is held: VR controllers, phones."""

    type: Literal["clutched_pose"]
    pose_topic: Topic = "teleop/pose"
    """geometry_msgs/PoseStamped."""
    clutch_topic: Topic = "teleop/clutch"
    """std_msgs/Bool, repeated at least as often as ``watchdogs.teleop_s``."""
    gripper_topic: Topic | None = None
    """std_msgs/Float32, 0 closed .. 1 open; its motion counts, not where it is."""
    group: Name
    gripper: Name | None = None
    rotation: Rotation = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    """Its columns are the axes of the hand's frame in the arm's base_link."""

    @model_validator(mode="after")
    def _gripper_and_topic(self) -> "ClutchedPose":
        if (self.gripper is None) != (self.gripper_topic is None):
            raise WrongKey("gripper", "goes with gripper_topic; write both or none")
        return self

    @property
    def topics(self) -> tuple[str, ...]:
        """What it is received by."""
        return tuple(filter(None, (self.pose_topic, self.clutch_topic, self.gripper_topic)))


AnyDevice = Annotated[
    Leader | Joy | Keyboard | TwistInput | ClutchedPose, Field(discriminator="type")
]


class Teleop(Strict):
    """The devices of one robot, and how fast those move it that name velocities."""

    default: Name
    """The type of the device that is used unless another one is named at launch."""
    devices: Annotated[tuple[AnyDevice, ...], Field(min_length=1)]
    tool_m_s: Positive = 0.15
    tool_rad_s: Positive = 0.8
    gripper_share_s: Positive = 1.0
    """Share of a gripper's range that it covers in a second."""
    base_m_s: Positive = 0.3
    base_rad_s: Positive = 0.5

    @property
    def types(self) -> tuple[str, ...]:
        """The types of all devices, in order."""
        return tuple(device.type for device in self.devices)

    @model_validator(mode="after")
    def _consistent(self) -> "Teleop":
        if repeated := sorted({t for t in self.types if self.types.count(t) > 1}):
            raise WrongKey("devices", f"more than one {', '.join(repeated)}")
        if self.default not in self.types:
            raise WrongKey(
                "default", f"'{self.default}' is none of devices: {', '.join(self.types)}"
            )
        return self

    def check_fit(self, joints: tuple[str, ...], groups: dict[str, str]) -> None:
        """Refuse names that the robot does not have.

        Args:
            joints: of the robot. groups: name -> ``tool``, ``gripper``, ``base`` or ``other``.
        Raises:
            WrongKey: below ``teleop`` of the embodiment.
        """
        for index, device in enumerate(self.devices):
            key = ("teleop", "devices", index)
            if isinstance(device, Leader):
                named = [j.joint for arm in device.arms for j in arm.joints]
                fingers = [arm.gripper.joint for arm in device.arms if arm.gripper is not None]
                for joint in (*named, *fingers):
                    if joint not in joints:
                        raise WrongKey((*key, "arms"), f"this robot has no joint '{joint}'")
                    if [*named, *fingers].count(joint) > 1:
                        raise WrongKey((*key, "arms"), f"'{joint}' is driven twice")
            for name, kinds in (
                ("group", ("tool", "base") if isinstance(device, TwistInput) else ("tool",)),
                ("gripper", ("gripper",)),
            ):
                wanted = getattr(device, name, None)
                if wanted is not None and groups.get(wanted) not in kinds:
                    fit = [group for group, kind in groups.items() if kind in kinds]
                    raise WrongKey(
                        (*key, name), f"'{wanted}' is none of {', '.join(fit) or 'this robot'}"
                    )
