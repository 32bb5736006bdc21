"""Recordings of real and simulated runs: one MCAP file an episode, see docs/recordings.md."""

from .labels import End, Outcome, Start
from .reader import Message, Recording, open_recording
from .recover import UNFINISHED, recover, unfinished_in
from .streams import Streams, read_streams
from .topics import RecordedTopic, recorded_topics
from .writer import RecordingWriter

__all__ = [
    "UNFINISHED",
    "End",
    "Message",
    "Outcome",
    "RecordedTopic",
    "Recording",
    "RecordingWriter",
    "Start",
    "Streams",
    "open_recording",
    "read_streams",
    "recorded_topics",
    "recover",
    "unfinished_in",
]
