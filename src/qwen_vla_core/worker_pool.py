"""Work in parallel processes: the one place where workers are started and ended."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection, resource_tracker
from types import TracebackType
from typing import TypeVar

import cv2

from .child_process import die_with_parent
from .errors import QwenVlaError
from .interrupts import interrupts_held_back

Item = TypeVar("Item")
Result = TypeVar("Result")

END_TIMEOUT_S = 1.0
"""Time without another worker ending after which those that should have ended are killed, s."""


class WorkerPool:
    """A context manager whose workers are gone when it is left, however it is left.

    Workers are started by spawn, because fork is unsafe once torch has threads, and have one
    thread each for rendering, resizing and matrices: more would fight for the cores. Ctrl-C
    reaches the command alone. What has not begun then never begins, and what has is cut short. A
    second Ctrl-C changes nothing until the workers are gone.
    """

    def __init__(
        self, workers: int, start: Callable[..., None] | None = None, *arguments: object
    ) -> None:
        """Describe it.

        Args:
            workers: how many processes at most.
            start: called once in each of them, with ``arguments``; what it raises, ``map`` raises.
        """
        self._workers, self._start, self._arguments = workers, start, arguments

    def __enter__(self) -> "WorkerPool":
        self._others = set(multiprocessing.active_children())
        self._pool = ProcessPoolExecutor(
            self._workers, multiprocessing.get_context("spawn"), initializer=_begin
        )
        self._on_interrupt = signal.getsignal(signal.SIGINT)
        if self._handles_interrupts():
            signal.signal(signal.SIGINT, self._first_interrupt)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with interrupts_held_back():  # a second Ctrl-C must not leave workers behind
            if error is not None:
                # Without cancelling jobs first: concurrent.futures stumbles over those.
                self._end_workers()
            self._pool.shutdown(wait=True, cancel_futures=True)
        if self._handles_interrupts():
            signal.signal(signal.SIGINT, self._on_interrupt)

    def _handles_interrupts(self) -> bool:
        main = threading.current_thread() is threading.main_thread()
        return main and callable(self._on_interrupt)

    def _first_interrupt(self, number: int, frame: object) -> None:
        # One more, on the way to ``__exit__``, would be raised before workers are ended there.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._on_interrupt(number, frame)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Results in the order of the items, each as soon as it and those before it are there.

        Raises:
            QwenVlaError: a worker died, e.g. because memory ran out.
        """
        try:
            # Both: other threads of this process may be the ones that receive the signal.
            with interrupts_held_back(), _interrupts_blocked():
                jobs = [self._submit(function, item) for item in items]
            for job in jobs:
                yield job.result()
        except BrokenProcessPool as error:
            raise QwenVlaError(
                f"one of {self._workers} worker processes was killed, perhaps because memory ran "
                "out (see dmesg); fewer of them need less: --workers"
            ) from error

    def _submit(self, function: Callable[[Item], Result], item: Item) -> Future:
        return self._pool.submit(_work, self._start, self._arguments, function, item)

    def _end_workers(self) -> None:
        mine = set(multiprocessing.active_children()) - self._others
        for worker in mine:
            worker.terminate()
        running = {worker.sentinel for worker in mine}
        while running and (ended := connection.wait(running, END_TIMEOUT_S)):
            running -= set(ended)
        for worker in mine:
            worker.kill()
            worker.join()


_started = False


def _begin() -> None:
    """First of all in a worker."""
    die_with_parent()
    signal.signal(signal.SIGTERM, _leave)
    os.environ["LP_NUM_THREADS"] = "1"  # Mesa's software renderer
    os.environ["OMP_NUM_THREADS"] = "1"  # torch, as far as it has not been imported
    cv2.setNumThreads(1)


def _leave(number: int, frame: object) -> None:
    """As an exception, so that an unfinished file is removed on the way out."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit


def _work(
    start: Callable[..., None] | None,
    arguments: tuple,
    function: Callable[[Item], Result],
    item: Item,
) -> Result:
    global _started
    try:
        if not _started and start is not None:
            start(*arguments)
            _started = True
        return function(item)
    except SystemExit:  # of _leave: the pool would take it for a failed job and begin the next one
        os._exit(1)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Processes that are started inside never receive SIGINT."""
    resource_tracker.ensure_running()  # it unblocks SIGINT when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
