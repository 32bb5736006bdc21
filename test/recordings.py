"""Recordings made up for tests: a robot that waves, written by the recorder's own writer."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import simplejpeg

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.embodiment.streams import joint_streams
from qwen_vla_data.recording import (
    End,
    Outcome,
    RecordedTopic,
    RecordingWriter,
    Start,
    recorded_topics,
)
from qwen_vla_data.recording.schemas import typestore

EMBODIMENTS = Path(__file__).parents[1] / "embodiments"
BEGIN_S = 1_790_000_000.0
STORE = typestore()
TYPES = STORE.types


def stamp(time_s: float):
    ns = round(time_s * 1e9)
    return TYPES["builtin_interfaces/msg/Time"](sec=ns // 10**9, nanosec=ns % 10**9)


def header(time_s: float):
    return TYPES["std_msgs/msg/Header"](stamp=stamp(time_s), frame_id="")


def encoded(message) -> bytes:
    """The CDR of a message of rosbags' types."""
    return bytes(STORE.serialize_cdr(message, message.__msgtype__))


def joint_state(time_s, names, positions, velocities=()):
    return encoded(
        TYPES["sensor_msgs/msg/JointState"](
            header=header(time_s),
            name=list(names),
            position=np.array(positions, dtype=np.float64),
            velocity=np.array(velocities, dtype=np.float64),
            effort=np.empty(0),
        )
    )


def jpeg_image(time_s, rgb_HWC):
    data = simplejpeg.encode_jpeg(np.ascontiguousarray(rgb_HWC), quality=95)
    return encoded(
        TYPES["sensor_msgs/msg/CompressedImage"](
            header=header(time_s), format="jpeg", data=np.frombuffer(data, np.uint8)
        )
    )


def text(data: str) -> bytes:
    return encoded(TYPES["std_msgs/msg/String"](data=data))


def flag(data: bool) -> bytes:
    return encoded(TYPES["std_msgs/msg/Bool"](data=data))


def odometry(time_s, pose_3, velocity_3) -> bytes:
    x, y, yaw = pose_3
    geometry = {name: TYPES[f"geometry_msgs/msg/{name}"] for name in _GEOMETRY}
    pose = geometry["Pose"](
        position=geometry["Point"](x=x, y=y, z=0.0),
        orientation=geometry["Quaternion"](x=0.0, y=0.0, z=np.sin(yaw / 2), w=np.cos(yaw / 2)),
    )
    twist = geometry["Twist"](
        linear=geometry["Vector3"](x=velocity_3[0], y=velocity_3[1], z=0.0),
        angular=geometry["Vector3"](x=0.0, y=0.0, z=velocity_3[2]),
    )
    nothing = np.zeros(36)
    return encoded(
        TYPES["nav_msgs/msg/Odometry"](
            header=header(time_s),
            child_frame_id="base_link",
            pose=geometry["PoseWithCovariance"](pose=pose, covariance=nothing),
            twist=geometry["TwistWithCovariance"](twist=twist, covariance=nothing),
        )
    )


_GEOMETRY = ("Pose", "Point", "Quaternion", "Twist", "Vector3")
_GEOMETRY += ("PoseWithCovariance", "TwistWithCovariance")


@dataclass(kw_only=True)
class Waving:
    """A robot whose joints wave by a tenth of their range about their start pose.

    Attributes:
        duration_s: how long. mode: the modes, (from s, text).
        skip: topic -> spans, s, in which nothing came.
    """

    embodiment: str = "widowx"
    duration_s: float = 2.0
    instruction: str = "pick up the red block"
    outcome: Outcome = Outcome.SUCCESS
    modes: tuple[tuple[float, str], ...] = ((0.0, "TELEOP: engage teleop"),)
    skip: dict[str, tuple[float, float]] = field(default_factory=dict)
    camera_hz: float = 30.0
    joints_hz: float = 50.0

    def positions(self, time_s: float) -> np.ndarray:
        """Where the joints stand: [D], rad or m; a base drives ahead and turns."""
        robot = self.robot
        lower = np.array([j.lower for j in robot.joints])
        upper = np.array([j.upper for j in robot.joints])
        swing = np.sin(2.0 * np.pi * 0.5 * time_s + np.arange(len(lower)))
        waving = np.array(robot.start_D) + 0.05 * (upper - lower) * swing
        return np.clip(waving, lower, upper)

    def image(self, camera: str, time_s: float) -> np.ndarray:
        """uint8 RGB [96, 128, 3]: a gradient that moves, of another colour for each camera."""
        names = [c.name for c in self.robot.cameras]
        ramp = (np.arange(128) * 2 + int(time_s * 60)) % 256
        image = np.zeros((96, 128, 3), np.uint8)
        image[..., names.index(camera) % 3] = ramp
        image[:, :, (names.index(camera) + 1) % 3] = np.arange(96)[:, None]
        return image

    def messages(self):
        """(RecordedTopic, received s, CDR) in the order of receipt."""
        robot, topics = self.robot, {topic.name: topic for topic in self.topics}
        found = [(s, "control/mode", text(words)) for s, words in self.modes]
        found += [
            (s, "control/intervention", flag(words.startswith("TELEOP")))
            for s, words in self.modes
        ]
        for k in range(round(self.duration_s * self.camera_hz)):
            at_s = k / self.camera_hz
            for camera in robot.cameras:
                data = jpeg_image(BEGIN_S + at_s, self.image(camera.name, at_s))
                found.append((at_s + 0.004, camera.topic, data))
        for k in range(round(self.duration_s * self.joints_hz)):
            at_s = k / self.joints_hz
            positions_D = self.positions(at_s)
            for stream in joint_streams(robot):
                state = joint_state(
                    BEGIN_S + at_s, stream.driver_names, positions_D[list(stream.rows)]
                )
                found.append((at_s + 0.001, stream.topic, state))
            if robot.base is not None:
                driven = odometry(BEGIN_S + at_s, (0.1 * at_s, 0.0, 0.0), (0.1, 0.0, 0.0))
                found.append((at_s + 0.001, robot.base.driver.odometry_topic, driven))
            base_D = np.array(robot.base_D)
            sent_D, speed_D = np.where(base_D, 0.0, positions_D), np.zeros(len(base_D))
            if base_D.any():
                speed_D[np.flatnonzero(base_D)[0]] = 0.1
            command = joint_state(BEGIN_S + at_s, robot.joint_names, sent_D, speed_D)
            found.append((at_s + 0.0015, "control/command", command))
        found.sort(key=lambda entry: entry[0])
        for at_s, name, data in found:
            first_s, last_s = self.skip.get(name, (np.inf, np.inf))
            if not first_s <= at_s < last_s:
                yield topics[name], BEGIN_S + at_s, data

    @cached_property
    def robot(self):
        return load_embodiment(EMBODIMENTS / f"{self.embodiment}.yaml")

    @cached_property
    def topics(self) -> tuple[RecordedTopic, ...]:
        """As the recorder writes them: images as JPEG."""
        return tuple(
            RecordedTopic(name=t.name, type="sensor_msgs/msg/CompressedImage", image=True)
            if t.image
            else t
            for t in recorded_topics(self.robot)
        )

    def start(self) -> Start:
        return Start(
            embodiment=self.embodiment,
            embodiment_yaml=(EMBODIMENTS / f"{self.embodiment}.yaml").read_text(),
            package_version="0.1.0",
            instruction=self.instruction,
        )

    def write(self, path: Path, finish: bool = True) -> Path:
        """The recording; without ``finish`` as a killed recorder leaves it."""
        writer = RecordingWriter(path, self.start(), round(BEGIN_S * 1e9))
        flushed_s = BEGIN_S
        for topic, at_s, data in self.messages():
            if at_s > flushed_s + 0.2:
                writer.flush()
                flushed_s = at_s
            ns = round(at_s * 1e9)
            writer.add(topic, data, received_ns=ns, published_ns=ns)
        writer.flush()
        if not finish:
            return path.with_name(path.name + ".part")
        return writer.finish(
            End(outcome=self.outcome, reason="record/stop", instruction=self.instruction)
        )
