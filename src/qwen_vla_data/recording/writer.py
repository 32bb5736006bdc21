"""Writes one recording: ``.mcap.part`` while it grows, ``.mcap`` once it is whole."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mcap.writer import CompressionType, Writer

from qwen_vla_core.errors import RecordingError
from qwen_vla_core.whole_file import synchronize

from .labels import EMBODIMENT_FILE, END, START, End, Start
from .schemas import ENCODING, SCHEMA_ENCODING, definition
from .topics import COMPRESSED_IMAGE, RecordedTopic

UNFINISHED = ".part"
"""What the name of a file that is still written, or never was finished, ends with."""

PROFILE = "ros2"
CHUNK_BYTES = 256 * 1024
"""Compressed at once, and lost at once where a program is killed before the next ``flush``.

A chunk that holds JPEG is stored as it is: zstd took 6 % off it, for 1.5 points of a core or more.
"""

TOPIC_KEY = "name"
"""Metadata of a channel: ``RecordedTopic.name``, whatever the topic is called on the wire."""


class RecordingWriter:
    """One file. Not thread-safe."""

    def __init__(self, path: Path, start: Start, now_ns: int) -> None:
        """Begin the file.

        Args:
            path: of the finished recording, ending with ``.mcap``; its folder is made.
            now_ns: ROS time, ns.
        Raises:
            RecordingError: it cannot be written, or is there already.
        """
        self.path, self._partial = path, path.with_name(path.name + UNFINISHED)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                raise FileExistsError(17, "there is a file of this name")
            self._file = self._partial.open("xb")
        except OSError as error:
            raise _cannot_write(self._partial, error) from error
        self._channels: dict[tuple[str, str], int] = {}
        self._schemas: dict[str, int] = {}
        self._writer = Writer(self._file, chunk_size=sys.maxsize)  # ``flush`` ends the chunks
        self._chunk_bytes, self._chunk_holds_jpeg = 0, False
        with self._refusals():
            self._writer.start(PROFILE, f"qwen_vla_ros {start.package_version}")
            yaml = start.embodiment_yaml.encode()
            self._writer.add_attachment(now_ns, now_ns, EMBODIMENT_FILE, "application/yaml", yaml)
            self._writer.add_metadata(START, start.metadata())
            self._writer.flush()

    def add(
        self,
        topic: RecordedTopic,
        data: bytes,
        *,
        received_ns: int,
        published_ns: int,
        wire_name: str = "",
    ) -> None:
        """Take a message.

        Args:
            topic: whose it is.
            data: CDR.
            received_ns: ROS time of its receipt, ns.
            published_ns: time at which it was published, ns.
            wire_name: the topic's full name, with the namespace; ``topic.name`` if it is empty.
        Raises:
            RecordingError: it cannot be written (the disk is full).
        """
        key = (topic.name, topic.type)
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = self._register(topic, wire_name or topic.name)
        with self._refusals():
            self._writer.add_message(channel, received_ns, data, published_ns)
        self._chunk_bytes += len(data)
        self._chunk_holds_jpeg |= topic.type == COMPRESSED_IMAGE
        if self._chunk_bytes > CHUNK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand all that was taken to the operating system: a killed program loses none of it.

        Raises:
            RecordingError: it cannot be written.
        """
        # The library has one compression for a whole file; this is where it looks for it.
        kind = CompressionType.NONE if self._chunk_holds_jpeg else CompressionType.ZSTD
        self._writer._Writer__compression = kind
        self._chunk_bytes, self._chunk_holds_jpeg = 0, False
        with self._refusals():
            self._writer.flush()

    def finish(self, end: End) -> Path:
        """Complete the file, see it on the disk, and give it its name.

        Raises:
            RecordingError: it cannot be written; what there is stays as ``.mcap.part``.
        """
        self.flush()
        with self._refusals():
            self._writer.add_metadata(END, end.metadata())
            self._writer.finish()
            self._file.close()
            synchronize(self._partial)
            self._partial.rename(self.path)
            synchronize(self.path.parent)
        return self.path

    def discard(self) -> None:
        """Remove the file."""
        self.abandon()
        self._partial.unlink(missing_ok=True)

    def abandon(self) -> None:
        """Leave the file as it is, to be recovered."""
        with suppress(OSError):  # the disk is full: what is in the buffer has no place
            self._file.close()

    def _register(self, topic: RecordedTopic, wire_name: str) -> int:
        if topic.type not in self._schemas:
            self._schemas[topic.type] = self._writer.register_schema(
                topic.type, SCHEMA_ENCODING, definition(topic.type)
            )
        return self._writer.register_channel(
            wire_name, ENCODING, self._schemas[topic.type], {TOPIC_KEY: topic.name}
        )

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _cannot_write(self._partial, error) from error


def _cannot_write(path: Path, error: OSError) -> RecordingError:
    return RecordingError(f"{path} cannot be written: {error.strerror or error}")
