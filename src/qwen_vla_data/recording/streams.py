"""All that a recording holds but the images, as arrays over time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from qwen_vla_core.embodiment.streams import joint_streams
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.from_messages import chunk_from_message, pose_of, seconds, velocity_of
from qwen_vla_core.modes import Mode, split_mode
from qwen_vla_core.observation import match_joints
from qwen_vla_core.types import ActionChunk

from .reader import Message, Recording
from .topics import CHUNK, COMMAND, INSTRUCTION, INTERVENTION, MODE, TELEOP


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """T samples of one stream in the order of their receipt.

    Attributes:
        received_s_T: ROS time of receipt, s. stamps_s_T: time in the messages' headers, s.
        values_TN: what they hold; of a camera the bytes of each image, [T, 1].
        rates_TN: its change per second, where messages hold it, else NaN.
    """

    received_s_T: np.ndarray
    stamps_s_T: np.ndarray
    values_TN: np.ndarray
    rates_TN: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Streams:
    """What a recording holds but the images.

    Attributes:
        cameras: name of a camera -> when its images came, and their bytes.
        joints: joint state topic -> positions, order of its ``JointStream.driver_names``.
        commands: what was sent, order of ``Embodiment.joint_names``.
        teleop: what a person wanted, the same; of a base only the velocities count.
        odometry: of a base x m, y m, yaw rad; empty without one.
        modes: (received, s; mode; reason). interventions: (received, s; a person has the robot).
        instructions: (received, s; text). chunks: (received, s; chunk).
        refused: what could not be read, topic -> (number of messages, reason of the last).
    """

    cameras: dict[str, Series]
    joints: dict[str, Series]
    commands: Series
    teleop: Series
    odometry: Series
    modes: tuple[tuple[float, Mode, str], ...]
    interventions: tuple[tuple[float, bool], ...]
    instructions: tuple[tuple[float, str], ...]
    chunks: tuple[tuple[float, ActionChunk], ...]
    refused: dict[str, tuple[int, str]]


def read_streams(recording: Recording) -> Streams:
    """One pass over a recording.

    Raises:
        RecordingError: the file is damaged. A message that cannot be read is counted instead.
    """
    reader = _Reader(recording)
    for message in recording.messages():
        reader.take(message)
    return reader.streams()


class _Reader:
    """Sorts messages into streams."""

    def __init__(self, recording: Recording) -> None:
        robot = recording.embodiment
        names = robot.joint_names
        self._handlers: dict[str, Callable[[float, Any], None]] = {}
        self._series: dict[str, _Rows] = {}
        self._cameras = {camera.name: camera.topic for camera in robot.cameras}
        self._joints = [stream.topic for stream in joint_streams(robot)]
        self._base = robot.base.driver.odometry_topic if robot.base is not None else ""
        for camera in robot.cameras:
            self._numbers(camera.topic, 1, lambda m: ([len(m.data)], []))
        for stream in joint_streams(robot):
            read = _joint_reader(stream.driver_names, others=True)
            self._numbers(stream.topic, len(stream.driver_names), read)
        for topic in (COMMAND, TELEOP):
            self._numbers(topic, len(names), _joint_reader(names))
        self._numbers(self._base, 3, lambda m: (pose_of(m), velocity_of(m)))
        self._modes: list[tuple[float, Mode, str]] = []
        self._interventions: list[tuple[float, bool]] = []
        self._instructions: list[tuple[float, str]] = []
        self._chunks: list[tuple[float, ActionChunk]] = []
        self._refused: dict[str, tuple[int, str]] = {}
        if recording.start.instruction:
            self._instructions.append((recording.start_s, recording.start.instruction))

        def on_mode(at_s: float, message: Any) -> None:
            word, reason = split_mode(message.data)
            self._modes.append((at_s, Mode(word), reason))

        self._handlers |= {
            MODE: on_mode,
            INTERVENTION: lambda at_s, m: self._interventions.append((at_s, bool(m.data))),
            INSTRUCTION: lambda at_s, m: self._instructions.append((at_s, m.data)),
            CHUNK: lambda at_s, m: self._chunks.append((at_s, chunk_from_message(m, names))),
        }

    def take(self, message: Message) -> None:
        """Read one message."""
        if message.topic not in self._handlers:
            return
        try:
            self._handlers[message.topic](message.received_s, message.decode())
        except (QwenVlaError, ValueError) as error:
            count, _ = self._refused.get(message.topic, (0, ""))
            self._refused[message.topic] = (count + 1, str(error))

    def streams(self) -> Streams:
        """What was taken."""
        series = {topic: rows.series() for topic, rows in self._series.items()}
        return Streams(
            cameras={name: series[topic] for name, topic in self._cameras.items()},
            joints={topic: series[topic] for topic in self._joints},
            commands=series[COMMAND],
            teleop=series[TELEOP],
            odometry=series[self._base],
            modes=tuple(self._modes),
            interventions=tuple(self._interventions),
            instructions=tuple(self._instructions),
            chunks=tuple(self._chunks),
            refused=self._refused,
        )

    def _numbers(self, topic: str, width: int, read: Callable[[Any], Any]) -> None:
        rows = self._series[topic] = _Rows(width)

        def take(at_s: float, message: Any) -> None:
            if (values := read(message)) is not None:
                rows.add(at_s, seconds(message.header.stamp), *values)

        self._handlers[topic] = take


class _Rows:
    """A series that grows."""

    def __init__(self, width: int) -> None:
        self._times: list[tuple[float, float]] = []
        self._values: list[np.ndarray] = []
        self._rates: list[np.ndarray] = []
        self._width, self._unknown = width, np.full(width, np.nan)

    def add(self, received_s: float, stamp_s: float, values: Any, rates: Any) -> None:
        self._times.append((received_s, stamp_s))
        self._values.append(values)
        self._rates.append(rates if len(rates) else self._unknown)

    def series(self) -> Series:
        times_T2 = np.array(self._times, dtype=np.float64).reshape(-1, 2)
        return Series(
            received_s_T=times_T2[:, 0],
            stamps_s_T=times_T2[:, 1],
            values_TN=np.array(self._values, dtype=np.float64).reshape(-1, self._width),
            rates_TN=np.array(self._rates, dtype=np.float64).reshape(-1, self._width),
        )


def _joint_reader(wanted: tuple[str, ...], others: bool = False) -> Callable[[Any], Any]:
    """Reads positions and velocities in the order of ``wanted``.

    Args:
        others: messages with none of these joints are another publisher's and ignored.
    """

    def read(message: Any) -> tuple[np.ndarray, np.ndarray] | None:
        if others and set(wanted).isdisjoint(message.name):
            return None
        positions = match_joints(message.name, message.position, wanted)
        rates = np.empty(0)
        if len(message.velocity) == len(message.name):
            row_of = {name: row for row, name in enumerate(message.name)}
            rates = np.array([message.velocity[row_of[name]] for name in wanted])
        return positions, rates

    return read
