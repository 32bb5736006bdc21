"""A thread that writes recordings, so that no disk and no image holds up whoever receives."""

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from qwen_vla_core.errors import QwenVlaError

from .jpeg import SUFFIX, as_jpeg
from .labels import End, Start
from .topics import RecordedTopic
from .writer import RecordingWriter

PERIOD_S = 0.05
"""How often what was received is taken on, s."""

FLUSH_S = 0.8
"""From one flush to the next, s: with what waits to be fetched and written (0.15 s), a recorder
that is killed loses at most the last second."""

QUEUE_BYTES = 256 * 2**20
"""Waits in memory at most while the disk does not keep up: three raw cameras for 3 s."""


class Sample(NamedTuple):
    """One message on its way to a file; times in ns, data is CDR."""

    topic: RecordedTopic
    wire_name: str
    data: bytes
    received_ns: int
    published_ns: int


class BackgroundWriter:
    """Takes messages and orders from one thread and carries them out in its own, in their order.

    What is received while nothing is recorded is kept for ``preroll_s``, and the last message of
    every state for good: a recording begins with them.

    Attributes:
        failure: why a recording ended by itself, in words; "" where none did since the last began.
        failed: that recording's path. Another may have begun meanwhile, which goes on.
        size_bytes: of the messages in the current or last recording.
    """

    def __init__(
        self,
        *,
        preroll_s: float = 0.0,
        raw_images: bool = False,
        on_end: Callable[[], object] = lambda: None,
    ) -> None:
        """Start the thread.

        Args:
            raw_images: keep them as they are.
            on_end: called by the thread when all is written, which may be after ``close``.
        """
        self.failure, self.size_bytes = "", 0
        self.failed: Path | None = None
        self._path: Path | None = None
        self._preroll_ns, self._raw = round(preroll_s * 1e9), raw_images
        self._queue: deque[Sample | Callable[[], None]] = deque()
        self._queued_bytes = self._taken_bytes = 0  # each written by one of the two threads
        self._wake, self._ended, self._on_end = threading.Event(), False, on_end
        self._writer: RecordingWriter | None = None
        self._failed: RecordingWriter | None = None  # of the last recording, if it failed
        self._taking = False
        self._flushed_s = 0.0
        self._preroll: deque[Sample] = deque()
        self._states: dict[str, Sample] = {}
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    # --- for the thread that receives; none of these waits

    def take(self, sample: Sample) -> bool:
        """Take a message; False where it is dropped, because the disk does not keep up."""
        if self.waiting_bytes + len(sample.data) > QUEUE_BYTES:
            return False
        self._queued_bytes += len(sample.data)
        self._queue.append(sample)
        return True

    def begin(self, path: Path, start: Start, now_ns: int) -> None:
        """Begin a file with the states and what came within ``preroll_s``."""
        self.failure, self.size_bytes = "", 0
        self._order(lambda: self._begin(path, start, now_ns))

    def pause(self) -> None:
        """Take no more messages into the file, and leave it open."""
        self._order(self._pause)

    def finish(self, end: End) -> None:
        """Complete the file."""
        self._order(lambda: self._finish(end))

    def discard(self) -> None:
        """Remove the file."""
        self._order(self._discard)

    @property
    def waiting_bytes(self) -> int:
        """What was taken and is not yet written."""
        return self._queued_bytes - self._taken_bytes

    def drain(self, timeout_s: float) -> bool:
        """Wait until all that was ordered is carried out; whether that was so in time."""
        done = threading.Event()
        self._order(done.set)
        return done.wait(timeout_s)

    def close(self, timeout_s: float) -> bool:
        """Carry out what was ordered and end; whether that was done in time."""
        self._ended = True
        self._wake.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _order(self, order: Callable[[], None]) -> None:
        self._queue.append(order)
        self._wake.set()

    # --- in the thread of its own

    def _run(self) -> None:
        while not self._ended or self._queue:
            self._wake.wait(PERIOD_S)
            self._wake.clear()
            try:
                for _ in range(len(self._queue)):
                    self._carry_out(self._queue.popleft())
                if self._writer is not None and time.monotonic() > self._flushed_s + FLUSH_S:
                    self._writer.flush()
                    self._flushed_s = time.monotonic()
            except Exception as error:  # whatever it is, the next recording has its chance
                self._fail(error)
        self._on_end()

    def _carry_out(self, entry: Sample | Callable[[], None]) -> None:
        if not isinstance(entry, Sample):
            entry()
            return
        self._taken_bytes += len(entry.data)
        recording = self._writer is not None and self._taking
        if recording or self._preroll_ns:
            entry = entry if self._raw else _compressed(entry)
        if recording:
            self._write(entry)
        else:
            self._preroll.append(entry)
            self._forget_before(entry.received_ns - self._preroll_ns)

    def _forget_before(self, ns: int) -> None:
        while self._preroll and self._preroll[0].received_ns < ns:
            self._remember(self._preroll.popleft())

    def _remember(self, sample: Sample) -> None:
        if sample.topic.state:
            self._states[sample.topic.name] = sample

    def _begin(self, path: Path, start: Start, now_ns: int) -> None:
        self._failed, self._path = None, path
        self._writer = RecordingWriter(path, start, now_ns)
        self._taking, self._flushed_s = True, time.monotonic()
        self._forget_before(now_ns - self._preroll_ns)
        begin_ns = min([now_ns, *(sample.received_ns for sample in self._preroll)])
        for state in self._states.values():
            self._write(state._replace(received_ns=begin_ns))
        while self._preroll:
            sample = self._preroll.popleft()
            self._remember(sample)
            self._write(sample)

    def _write(self, sample: Sample) -> None:
        self._remember(sample)
        self._writer.add(
            sample.topic,
            sample.data,
            received_ns=sample.received_ns,
            published_ns=sample.published_ns,
            wire_name=sample.wire_name,
        )
        self.size_bytes += len(sample.data)

    def _pause(self) -> None:
        self._taking = False

    def _finish(self, end: End) -> None:
        if self._writer is not None:
            self._writer.finish(end)
            self._writer = None

    def _discard(self) -> None:
        writer = self._writer or self._failed  # which is not to come back by a recovery
        if writer is not None:
            writer.discard()
            self._writer = self._failed = None

    def _fail(self, error: Exception) -> None:
        """A recording that cannot be written ends; what there is of it stays for a recovery."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.abandon()
            self._failed = writer
        known = isinstance(error, QwenVlaError)
        self.failed = self._path
        self.failure = str(error) if known else f"{type(error).__name__}: {error}"


def _compressed(sample: Sample) -> Sample:
    topic, data = as_jpeg(sample.topic, sample.data)
    if topic is sample.topic:
        return sample
    return sample._replace(topic=topic, data=data, wire_name=sample.wire_name + SUFFIX)
