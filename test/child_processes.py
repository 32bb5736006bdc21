"""Waiting for conditions, and for the processes that a program started."""

import threading
import time
from pathlib import Path


def wait_for(condition, within_s=20.0, what="it"):
    """What ``condition()`` returns as soon as that is true; fails after ``within_s``."""
    end_s = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < end_s, f"{what} did not happen within {within_s:g} s"
        threading.Event().wait(0.02)
    return found


def descendants(pid):
    """Ids of all processes below one."""
    below = set()
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _text(children).split():
            below |= {int(child), *descendants(child)}
    return below


def alive(pids):
    """Those that run; one that has ended and was not yet waited for does not."""
    return {pid for pid in pids if _state(pid) not in ("Z", "X", "")}


def command_line(pid):
    """With NUL after each argument; "" of one that has ended."""
    return _text(Path(f"/proc/{pid}/cmdline"))


def _state(pid):
    return _text(Path(f"/proc/{pid}/stat")).rpartition(") ")[2][:1]


def _text(path):
    """What Linux says of a process or thread; "" of one that has ended meanwhile."""
    try:
        return path.read_text()
    except OSError:
        return ""
