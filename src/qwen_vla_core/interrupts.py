"""Signals that tell a process to end, held back while code runs that they must not cut short."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ENDING_SIGNALS = tuple(
    getattr(signal, name)
    for name in (
        "SIGINT",  # Ctrl-C
        "SIGTERM",  # kill, a service manager, the death of the parent
        "SIGHUP",  # the terminal or the ssh session is closed
        "SIGQUIT",  # Ctrl-\
        "SIGTSTP",  # Ctrl-Z: a robot must not be left to a process that stands still
        "SIGUSR1",  # and what else ends a process that has no handler for it
        "SIGUSR2",
        "SIGALRM",
        "SIGVTALRM",
        "SIGPROF",
        "SIGXCPU",
    )
)
"""All that ends or suspends a process and can be caught. (Python itself ignores SIGPIPE.)"""


class EndRequest:
    """Catches every signal that tells the process to end, from its creation on.

    Until ``hold_back`` is called a signal raises KeyboardInterrupt where it arrives, so that a
    start that takes long is cut short. Afterwards it is only remembered: a handler that raises
    while rclpy converts a message ends as a RuntimeError without a cause, or is swallowed.

    Attributes:
        signal: the first that arrived; None so far.
    """

    def __init__(self, within_s: float) -> None:
        """Install the handlers; main thread only.

        Args:
            within_s: how long after the first signal the kernel ends the process if it is still
                there, whatever it is doing.
        """
        self.signal: signal.Signals | None = None
        self._within_s, self._raises = within_s, True
        for number in ENDING_SIGNALS:
            # nohup is the one wish to be left alone; a script's background processes begin with
            # SIGINT ignored, which nobody asked for.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._on_signal)

    def hold_back(self) -> None:
        """Remember signals from now on, instead of raising."""
        self._raises = False

    def begin_to_end(self) -> None:
        """Give the process its last ``within_s``; further signals do not cut them short."""
        for number in ENDING_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        if signal.getitimer(signal.ITIMER_REAL)[0] == 0.0:
            signal.setitimer(signal.ITIMER_REAL, self._within_s)

    def _on_signal(self, number: int, frame: object) -> None:
        if self.signal is not None:
            return
        self.signal = signal.Signals(number)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, self._within_s)
        if self._raises:
            raise KeyboardInterrupt


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
