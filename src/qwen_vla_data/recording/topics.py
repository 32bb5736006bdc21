"""Which topics a recording of a robot holds."""

from dataclasses import dataclass

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.schema import Leader, TwistInput
from qwen_vla_core.embodiment.schema.teleop import AnyDevice, ClutchedPose
from qwen_vla_core.embodiment.streams import joint_streams

COMMAND = "control/command"
MODE = "control/mode"
INTERVENTION = "control/intervention"
INTERVENTION_REASON = "control/intervention_reason"
CHUNK = "policy/chunk"
INSTRUCTION = "policy/instruction"
TELEOP = "teleop/command"
DIAGNOSTICS = "/diagnostics"

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
JOINT_STATE = "sensor_msgs/msg/JointState"
ODOMETRY = "nav_msgs/msg/Odometry"


@dataclass(frozen=True, kw_only=True)
class RecordedTopic:
    """One topic.

    Attributes:
        name: as the embodiment or docs/reference.md has it, without the robot's namespace.
        type: of its messages, such as sensor_msgs/msg/JointState.
        state: it is said once and holds from then on; a recording begins with the last one.
        image: it carries images of a colour camera.
    """

    name: str
    type: str
    state: bool = False
    image: bool = False


def recorded_topics(embodiment: Embodiment) -> tuple[RecordedTopic, ...]:
    """All that a robot measures, is commanded, and what a person and a policy want of it."""
    topics = [
        RecordedTopic(
            name=camera.topic,
            type=COMPRESSED_IMAGE if camera.is_compressed else IMAGE,
            image=not camera.is_depth,
        )
        for camera in embodiment.cameras
    ]
    topics += [
        RecordedTopic(name=stream.topic, type=JOINT_STATE) for stream in joint_streams(embodiment)
    ]
    if embodiment.base is not None:
        topics.append(RecordedTopic(name=embodiment.base.driver.odometry_topic, type=ODOMETRY))
    topics += [
        RecordedTopic(name=COMMAND, type=JOINT_STATE),
        RecordedTopic(name=MODE, type="std_msgs/msg/String", state=True),
        RecordedTopic(name=INTERVENTION, type="std_msgs/msg/Bool", state=True),
        RecordedTopic(name=INTERVENTION_REASON, type="std_msgs/msg/String", state=True),
        RecordedTopic(name=CHUNK, type="trajectory_msgs/msg/JointTrajectory"),
        RecordedTopic(name=INSTRUCTION, type="std_msgs/msg/String", state=True),
        RecordedTopic(name=TELEOP, type=JOINT_STATE),
        RecordedTopic(name=DIAGNOSTICS, type="diagnostic_msgs/msg/DiagnosticArray"),
    ]
    devices = embodiment.teleop.devices if embodiment.teleop is not None else ()
    topics += [topic for device in devices for topic in _topics_of(device)]
    return tuple({topic.name: topic for topic in topics}.values())


def _topics_of(device: AnyDevice) -> list[RecordedTopic]:
    """What a person's device publishes."""
    if isinstance(device, ClutchedPose):
        types = ("geometry_msgs/msg/PoseStamped", "std_msgs/msg/Bool", "std_msgs/msg/Float32")
    elif isinstance(device, TwistInput):
        types = (f"geometry_msgs/msg/{'TwistStamped' if device.stamped else 'Twist'}",)
    elif isinstance(device, Leader):
        types = (JOINT_STATE,) * len(device.topics)
    else:
        types = ("sensor_msgs/msg/Joy",)
    return [
        RecordedTopic(name=name, type=kind)
        for name, kind in zip(device.topics, types, strict=False)
    ]
