"""Child processes never outlive the command that started them."""

import ctypes
import signal
import subprocess
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent() -> None:
    """Have the kernel end this process when its parent is killed without a chance to clean up."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def end_by_interrupt(process: subprocess.Popen, within_s: float) -> None:
    """Interrupt a child as Ctrl-C does, and kill it if it has not ended within that time, s."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
