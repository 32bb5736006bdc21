"""How a node's process ended: a number for scripts, an explanation for people."""

import signal

ENDED_ON_REQUEST = 0
NOT_STARTED = 1
FAILED = 70
"""An exception that nobody caught: EX_SOFTWARE of sysexits.h."""

_MEANINGS = {
    ENDED_ON_REQUEST: "it ended on request (Ctrl-C or SIGTERM)",
    NOT_STARTED: "it could not start; its error message is above",
    FAILED: "an error in the program; its traceback is above",
}
_SIGNALS = {
    signal.SIGALRM: "it did not end in time after Ctrl-C or SIGTERM",
    signal.SIGKILL: "somebody killed it, or the kernel did because memory ran out (see dmesg)",
    signal.SIGSEGV: "a crash in compiled code",
    signal.SIGABRT: "a crash in compiled code",
    signal.SIGBUS: "a crash in compiled code, or a full /dev/shm",
}


def explain_exit(status: int) -> str:
    """What an exit status means, such as ``exit status 1: it could not start; ...``.

    Args:
        status: as subprocess and launch give it, negative for a signal.
    """
    if status >= 0:
        meaning = _MEANINGS.get(status)
        return f"exit status {status}" + (f": {meaning}" if meaning else "")
    try:
        number = signal.Signals(-status)
    except ValueError:
        return f"ended by signal {-status}"
    return f"ended by {number.name}: {_SIGNALS.get(number, 'somebody or something sent it')}"
