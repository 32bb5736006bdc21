"""Reads a recording: what it says of itself, and its messages, decoded without ROS."""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from mcap.reader import SeekingReader
from mcap.writer import MCAP0_MAGIC

from qwen_vla_core.embodiment import Embodiment, in_simulation, parse_embodiment
from qwen_vla_core.errors import RecordingError

from .labels import EMBODIMENT_FILE, END, START, End, Start
from .schemas import decode
from .writer import TOPIC_KEY, UNFINISHED

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message of a recording.

    Attributes:
        topic: ``RecordedTopic.name``; raw images that were stored as JPEG have the type
            CompressedImage.
        type: of the message.
        received_s: ROS time of its receipt, s. published_s: when it was published, s.
        data: CDR.
    """

    topic: str
    type: str
    received_s: float
    published_s: float
    data: bytes

    def decode(self) -> Any:
        """The message, its fields called as in ROS.

        Raises:
            RecordingError: the bytes are no such message.
        """
        try:
            return decode(self.data, self.type)
        except RecordingError as error:
            raise RecordingError(f"{self.topic}: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One finished recording.

    Attributes:
        start, end: what it says of itself.
        start_s, end_s: ROS time of the first and the last message, s.
        counts: topic -> number of its messages; topics without any are left out.
        types: topic -> type of its messages.
    """

    path: Path
    start: Start
    end: End
    start_s: float
    end_s: float
    counts: dict[str, int]
    types: dict[str, str]

    @cached_property
    def embodiment(self) -> Embodiment:
        """The robot as it was described when this was recorded.

        Raises:
            YamlFileError: this version no longer understands the description.
        """
        origin = f"{self.path} ({EMBODIMENT_FILE})"
        embodiment = parse_embodiment(self.start.embodiment_yaml, origin)
        return in_simulation(embodiment) if self.start.simulated else embodiment

    @property
    def instruction(self) -> str:
        """The task in words, as it was at the end; "" where nobody said it."""
        return self.end.instruction or self.start.instruction

    @property
    def duration_s(self) -> float:
        """Time from the first to the last message, s."""
        return self.end_s - self.start_s

    def messages(self, topics: Collection[str] | None = None) -> Iterator[Message]:
        """The messages in the order of their receipt, of some topics or of all.

        Raises:
            RecordingError: the file is damaged.
        """
        with _damage(self.path), self.path.open("rb") as file:
            reader = SeekingReader(file, validate_crcs=True)
            names = {c.id: c.metadata[TOPIC_KEY] for c in reader.get_summary().channels.values()}
            wire = None
            if topics is not None:
                channels = reader.get_summary().channels.values()
                wire = [channel.topic for channel in channels if names[channel.id] in topics]
            for schema, channel, message in reader.iter_messages(wire):
                yield Message(
                    topic=names[channel.id],
                    type=schema.name,
                    received_s=message.log_time / NS_PER_S,
                    published_s=message.publish_time / NS_PER_S,
                    data=message.data,
                )


def open_recording(path: Path) -> Recording:
    """Read what a recording says of itself.

    Raises:
        RecordingError: there is none, it is not finished or truncated, or it was not made by
            recorder_node; one line that says what to do.
    """
    if path.name.endswith(UNFINISHED):
        raise RecordingError(f"{path} is not finished; {_recover(path)}")
    with _damage(path), path.open("rb") as file:
        _check_ends(path, file)
        reader = SeekingReader(file)
        summary = reader.get_summary()
        if summary is None or summary.statistics is None:
            raise RecordingError(f"{path} was not made by recorder_node: it has no summary")
        metadata = {record.name: record.metadata for record in reader.iter_metadata()}
        files = {record.name: record.data for record in reader.iter_attachments()}
    if START not in metadata or EMBODIMENT_FILE not in files:
        raise RecordingError(
            f"{path} was not made by recorder_node: it holds no {EMBODIMENT_FILE} and no {START}"
        )
    try:
        start = Start.from_metadata(metadata[START], files[EMBODIMENT_FILE].decode())
        end = End.from_metadata(metadata[END]) if END in metadata else End()
    except RecordingError as error:
        raise RecordingError(f"{path}: {error}") from error
    statistics = summary.statistics
    topics = {c.id: c.metadata.get(TOPIC_KEY, c.topic) for c in summary.channels.values()}
    return Recording(
        path=path,
        start=start,
        end=end,
        start_s=statistics.message_start_time / NS_PER_S,
        end_s=statistics.message_end_time / NS_PER_S,
        counts={topics[i]: n for i, n in statistics.channel_message_counts.items()},
        types={topics[c.id]: summary.schemas[c.schema_id].name for c in summary.channels.values()},
    )


def _check_ends(path: Path, file: IO[bytes]) -> None:
    """A file that was cut short lacks the last bytes, which are those it begins with."""
    if file.read(len(MCAP0_MAGIC)) != MCAP0_MAGIC:
        raise RecordingError(f"{path} is no MCAP file")
    file.seek(-len(MCAP0_MAGIC), os.SEEK_END)
    if file.read() != MCAP0_MAGIC:
        raise RecordingError(f"{path} is truncated; {_recover(path)}")
    file.seek(0)


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """One line for whatever a file that is missing or damaged makes the reader raise."""
    try:
        yield
    except RecordingError:
        raise
    except FileNotFoundError as error:
        raise RecordingError(f"{path}: no such file") from error
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:
        raise RecordingError(f"{path} is damaged ({error}); {_recover(path)}") from error


def _recover(path: Path) -> str:
    return f"recover what is there: qwen-vla record --recover {path}"
