"""Recordings that were not finished: the program was killed, or the computer lost power."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from mcap.records import Attachment, Channel, McapRecord, Message, Metadata, Schema
from mcap.stream_reader import StreamReader
from mcap.writer import Writer

from qwen_vla_core.errors import RecordingError
from qwen_vla_core.whole_file import write_whole

from .labels import END, START, End
from .schemas import decode
from .topics import INSTRUCTION
from .writer import CHUNK_BYTES, PROFILE, TOPIC_KEY, UNFINISHED

UNREADABLE = ".unreadable"
"""Put behind the name of an unfinished file of which nothing can be read, so that it is kept."""


def unfinished_in(folder: Path) -> list[Path]:
    """The unfinished recordings of a folder, oldest first."""
    return sorted(folder.glob(f"*.mcap{UNFINISHED}"))


def recover(partial: Path) -> Path:
    """Make a whole recording of one that was not finished, or was cut short by a bad copy.

    All is kept that had been handed to the operating system: at most the last second is lost.

    Args:
        partial: the file; one that ends with ``.part`` is removed once the whole one is there.
    Returns:
        The whole file, which stands beside it.
    Raises:
        RecordingError: it is missing, or nothing of it can be read: a ``.part`` is then called
            ``.unreadable``.
        QwenVlaError: the whole file cannot be written; the unfinished one is as it was.
    """
    if not os.access(partial, os.R_OK):
        raise RecordingError(f"{partial}: no such file, or it may not be read")
    is_part = partial.name.endswith(UNFINISHED)
    name = partial.name.removesuffix(UNFINISHED)
    path = partial.with_name(name if is_part else f"{partial.stem}_recovered.mcap")
    if path.exists():
        raise RecordingError(f"{partial}: {path.name} is there already; move one of the two away")
    try:
        with write_whole(path) as whole, whole.open("wb") as copy, partial.open("rb") as file:
            _copy(_readable(file), copy, partial)
    except _Nothing as error:
        if is_part:
            partial = partial.rename(partial.with_name(partial.name + UNREADABLE))
        raise RecordingError(f"{partial}: nothing of it can be read; it is kept") from error
    if is_part:
        partial.unlink()
    return path


class _Nothing(Exception):
    """Not even the robot's description is there."""


def _readable(file: IO[bytes]) -> Iterator[McapRecord]:
    """The records up to the end, or to the first that is damaged."""
    try:
        yield from StreamReader(file).records
    except Exception:  # the end of the file, or whatever damaged bytes make the reader raise
        return


def _copy(records: Iterator[McapRecord], copy: IO[bytes], origin: Path) -> None:
    writer = Writer(copy, chunk_size=CHUNK_BYTES)
    schemas: dict[int, int] = {}
    channels: dict[int, int] = {}
    instructions: set[int] = set()
    instruction, started, ended = "", False, False
    writer.start(PROFILE, "qwen_vla_ros recovered")
    for record in records:
        if isinstance(record, Attachment):
            writer.add_attachment(
                record.create_time, record.log_time, record.name, record.media_type, record.data
            )
        elif isinstance(record, Metadata):
            writer.add_metadata(record.name, record.metadata)
            if record.name == START:
                started, instruction = True, record.metadata.get("instruction", "")
            ended |= record.name == END
        elif isinstance(record, Schema) and record.id not in schemas:
            schemas[record.id] = writer.register_schema(record.name, record.encoding, record.data)
        elif isinstance(record, Channel) and record.id not in channels:
            channels[record.id] = writer.register_channel(
                record.topic, record.message_encoding, schemas[record.schema_id], record.metadata
            )
            if record.metadata.get(TOPIC_KEY) == INSTRUCTION:
                instructions.add(record.id)
        elif isinstance(record, Message):
            writer.add_message(
                channels[record.channel_id], record.log_time, record.data, record.publish_time
            )
            if record.channel_id in instructions:
                with suppress(RecordingError):  # a broken one is recovered all the same
                    instruction = decode(record.data, "std_msgs/msg/String").data
    if not started:
        raise _Nothing(origin)
    if not ended:
        reason = "not finished: what could be read was recovered"
        writer.add_metadata(END, End(reason=reason, instruction=instruction).metadata())
    writer.finish()
