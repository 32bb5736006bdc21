"""`qwen-vla` as people run it: in a process of its own, at a terminal of some width or none."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
import time

from child_processes import alive, descendants, wait_for

INTERRUPTED_WITHIN_S = 3.0


class Command:
    """A running `qwen-vla`; whatever it prints is read all the time.

    Attributes:
        process: of the command, which leads a process group as at a terminal.
    """

    def __init__(self, *arguments, columns=None, **options):
        """Start it.

        Args:
            columns: width of the terminal that it runs at; None for pipes.
            options: for ``subprocess.Popen``.
        """
        command = [sys.executable, "-m", "qwen_vla_cli.main", *map(str, arguments)]
        if columns is None:
            ours, theirs = os.pipe()
        else:
            ours, theirs = pty.openpty()
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            **options,
        )
        os.close(theirs)
        self._ours, self._said = ours, b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        try:
            while part := os.read(self._ours, 65536):
                self._said += part
        except OSError:  # a terminal whose last process has ended
            pass

    @property
    def said(self):
        return self._said.decode(errors="replace")

    def wait_until(self, words, within_s=100.0):
        """Wait until it has said ``words``."""

        def there():
            assert self.process.poll() is None or words in self.said, self.said
            return words in self.said

        wait_for(there, within_s, f"'{words}'")

    def interrupt(self, presses=1, number=signal.SIGINT):
        """Ctrl-C; returns the exit status. Nothing it started may be left."""
        children = descendants(self.process.pid)
        begin_s = time.monotonic()
        for _ in range(presses):
            os.killpg(self.process.pid, number)
        status = self.end(20.0)
        took_s = time.monotonic() - begin_s
        assert took_s < INTERRUPTED_WITHIN_S, f"{took_s:.1f} s: {self.said}"
        wait_for(lambda: not alive(children), 2.0, "the end of all it started")
        return status

    def end(self, within_s=100.0):
        """The exit status, once it has ended and everything it said was read."""
        status = self.process.wait(within_s)
        self._reader.join(5.0)
        return status

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._ours)
