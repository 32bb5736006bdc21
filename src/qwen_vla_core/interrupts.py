"""Ctrl-C and SIGTERM, held back while code is running that cannot pass an exception on."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """What arrives inside is delivered on the way out, to the handlers that were there before.

    A Python handler that raises while rclpy converts a message ends as a RuntimeError without a
    cause, or is swallowed. In a thread that is not the main one nothing changes: Python handles
    no signals there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    before = {
        number: signal.signal(number, lambda number, frame: arrived.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in arrived:
            signal.raise_signal(number)
