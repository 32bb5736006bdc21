"""Ports of shared memory whose process is gone: why they matter, see ``transport.py``."""

import fcntl
import os
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
LOCK = "_el"
"""A process that receives at a port keeps a lock on the file with this ending."""


def ports_left_behind(folder: Path = SHARED_MEMORY) -> int:
    """How many there are. They are of processes that were killed, or crashed."""
    return sum(not _is_locked(file) for file in folder.glob(f"fastrtps_port*{LOCK}"))


def _is_locked(file: Path) -> bool:
    """Whether a process has it locked; True as well where this cannot be found out."""
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except OSError:  # gone meanwhile, or another user's
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
