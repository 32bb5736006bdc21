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
        for child in children.read_text().split():
            below |= {int(child), *descendants(child)}
    return below


def alive(pids):
    """Those that run; one that has ended and was not yet waited for does not."""
    return {pid for pid in pids if _state(pid) not in ("Z", "X", None)}


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except OSError:
        return None
