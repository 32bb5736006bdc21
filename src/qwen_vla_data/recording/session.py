"""When a recording begins and ends: by a person's request, by the mode, by the disk.

    IDLE       nothing is recorded
    RECORDING  messages go into a file
    JUDGING    an episode ended with the mode; its file is open for a person's judgement

Pure but for the writer that it orders about: time and free space are arguments.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Protocol

from qwen_vla_core.errors import RecordingError
from qwen_vla_core.modes import Mode, split_mode

from .background import Sample
from .labels import End, Outcome, Start
from .schemas import decode
from .topics import INSTRUCTION, MODE

JUDGE_S = 30.0
"""How long a person has to say how an episode went that ended with the mode, s."""

MOVING = (Mode.AUTONOMY.value, Mode.TELEOP.value)
"""Modes that are an episode. A takeover in between does not end it."""


class Request(Enum):
    """What a person asks for; the names of the services."""

    START = "start"
    STOP = "stop"
    SUCCESS = "success"
    FAILURE = "failure"
    DISCARD = "discard"


OUTCOMES = {
    Request.STOP: Outcome.UNKNOWN,
    Request.SUCCESS: Outcome.SUCCESS,
    Request.FAILURE: Outcome.FAILURE,
}


class Phase(Enum):
    """What a session is doing, in words."""

    IDLE = "idle"
    RECORDING = "recording"
    JUDGING = "waiting for record/success, record/failure or record/discard"


class Writer(Protocol):
    """What carries out; see ``BackgroundWriter``."""

    failure: str
    failed: Path | None

    def take(self, sample: Sample) -> bool: ...
    def begin(self, path: Path, start: Start, now_ns: int) -> None: ...
    def pause(self) -> None: ...
    def finish(self, end: End) -> None: ...
    def discard(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Whether a request was granted, and the message for the person."""

    granted: bool
    message: str


class Session:
    """The recordings of one robot, one after the other.

    Attributes:
        phase: what it is doing. path: the current or last file; None before the first.
        free_bytes: of the disk, at the last tick. min_free_bytes: with less nothing is recorded.
        dropped: topic -> messages of the current or last recording that did not reach it.
    """

    def __init__(
        self,
        writer: Writer,
        start: Start,
        *,
        new_path: Callable[[], Path],
        follow_mode: bool = False,
    ) -> None:
        """Nothing is recorded yet.

        Args:
            start: what a recording says of itself; the instruction is kept up to date.
            new_path: the name of the next file.
            follow_mode: each time that the robot moves by itself or by a person is an episode.
        """
        self.phase, self.path = Phase.IDLE, None
        self.dropped: Counter[str] = Counter()
        self.free_bytes = self.min_free_bytes = 0.0
        self._problem = ""
        self._writer, self._start = writer, start
        self._new_path, self._follow_mode = new_path, follow_mode
        self._by_mode = self._moving = False
        self._began_ns = self._ended_ns = 0
        self._end = End()

    @property
    def instruction(self) -> str:
        """The task in words, as it was last said."""
        return self._start.instruction

    def duration_s(self, now_ns: int) -> float:
        """Duration of the current or last recording, s."""
        ended_ns = now_ns if self.phase is Phase.RECORDING else self._ended_ns
        return (ended_ns - self._began_ns) * 1e-9

    @property
    def problem(self) -> str:
        """Why nothing can be recorded, or why the last recording ended by itself; else ""."""
        failure = self._writer.failure
        return f"recording ended: {failure}" if failure else self._problem

    def take(self, sample: Sample) -> None:
        """Take a message; the mode's may begin or end an episode."""
        if not self._writer.take(sample):
            self.lost(sample.topic.name, 1)
        if sample.topic.name in (MODE, INSTRUCTION):
            with suppress(
                RecordingError
            ):  # a broken one says nothing; it is recorded all the same
                said = decode(sample.data, sample.topic.type).data
                if sample.topic.name == MODE:
                    self._on_mode(said, sample.received_ns)
                else:
                    self._start = replace(self._start, instruction=said)

    def lost(self, topic: str, count: int) -> None:
        """Messages of a topic did not arrive."""
        if self.phase is Phase.RECORDING:
            self.dropped[topic] += count

    def request(self, request: Request, now_ns: int) -> Answer:
        """Answer a person; what was asked for is carried out by the writer."""
        self._notice_failure(now_ns)
        if request is Request.START:
            if self.phase is Phase.RECORDING:
                return Answer(granted=False, message=f"{self.path.name} is being recorded already")
            self._settle()
            return self._begin(now_ns, by_mode=False)
        if self.phase is Phase.IDLE:
            message = "; ".join(filter(None, ["nothing is being recorded", self.problem]))
            return Answer(granted=False, message=message)
        if request is Request.DISCARD:
            self._stop_at(now_ns)
            self._writer.discard()
            self.phase = Phase.IDLE
            return Answer(granted=True, message=f"{self.path.name} is discarded")
        if self.phase is Phase.RECORDING:
            self._stop_at(now_ns)
            self._end = self._end_of(f"record/{request.value}")
        outcome = OUTCOMES[request]
        self._end = replace(self._end, outcome=outcome)
        self._settle()
        message = f"{self.path}: {self.duration_s(now_ns):.1f} s, outcome {outcome.value}"
        return Answer(granted=True, message=message)

    def tick(self, now_ns: int, free_bytes: int) -> None:
        """Once a second: the disk, the writer, and a judgement that does not come."""
        self.free_bytes = free_bytes
        self._notice_failure(now_ns)
        if self._no_space() and self.phase is Phase.RECORDING:
            self._stop_at(now_ns)
            self._problem = f"recording ended: {self._no_space()}"
            self._end = self._end_of(self._problem)
            self._settle()
        elif self.phase is Phase.JUDGING and now_ns - self._ended_ns > JUDGE_S * 1e9:
            self._settle()

    def close(self, now_ns: int, reason: str) -> None:
        """Finish what is being recorded."""
        if self.phase is Phase.RECORDING:
            self._stop_at(now_ns)
            self._end = self._end_of(reason)
        self._settle()

    def _on_mode(self, text: str, now_ns: int) -> None:
        was, self._moving = self._moving, split_mode(text)[0] in MOVING
        if not self._follow_mode or was == self._moving:
            return
        if self._moving and self.phase is not Phase.RECORDING:
            self._settle()
            self._begin(now_ns, by_mode=True)
        elif not self._moving and self.phase is Phase.RECORDING and self._by_mode:
            self._stop_at(now_ns)
            self._end = self._end_of(f"mode {text}")
            self._writer.pause()
            self.phase = Phase.JUDGING

    def _begin(self, now_ns: int, by_mode: bool) -> Answer:
        if self._no_space():
            self._problem = f"not recorded: {self._no_space()}"
            return Answer(granted=False, message=self._no_space())
        self.path, self.phase, self._problem = self._new_path(), Phase.RECORDING, ""
        self.dropped.clear()
        self._began_ns, self._by_mode = now_ns, by_mode
        self._writer.begin(self.path, self._start, now_ns)
        return Answer(granted=True, message=f"recording {self.path}")

    def _notice_failure(self, now_ns: int) -> None:
        """The writer has given up the file; one before it that failed late changes nothing."""
        if self._writer.failure and self._writer.failed == self.path:
            self._stop_at(now_ns)
            self.phase = Phase.IDLE

    def _stop_at(self, now_ns: int) -> None:
        if self.phase is Phase.RECORDING:
            self._ended_ns = now_ns

    def _end_of(self, reason: str) -> End:
        return End(reason=reason, instruction=self.instruction, dropped=dict(self.dropped))

    def _settle(self) -> None:
        """Finish the file that is open, if one is."""
        if self.phase is not Phase.IDLE:
            self._writer.finish(self._end)
            self.phase = Phase.IDLE

    def _no_space(self) -> str:
        free_gb, limit_gb = self.free_bytes / 1e9, self.min_free_bytes / 1e9
        if free_gb >= limit_gb:
            return ""
        return f"{free_gb:.1f} GB of disk are free, limit {limit_gb:.1f} GB (min_free_gb)"
