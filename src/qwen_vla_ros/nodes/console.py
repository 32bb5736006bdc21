"""What a node prints never stops the commands to a robot, even where nobody reads on."""

import os
import stat
from contextlib import suppress


def never_wait_to_print() -> None:
    """From now on, what standard output and error cannot take at once is lost (/rosout has it).

    A pipe that nobody empties, a terminal stopped by Ctrl-S or a connection that hangs takes some
    kilobytes; then a write waits, and with it the node, deaf to emergency stops as well. The file
    is opened anew, because O_NONBLOCK on the one we were given would hold for all who share it.
    """
    for descriptor in (1, 2):
        with suppress(OSError):  # closed, or a socket, which cannot be opened anew
            mode = os.fstat(descriptor).st_mode
            if not (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
                continue
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
            anew = os.open(f"/proc/self/fd/{descriptor}", flags)
            os.dup2(anew, descriptor)
            os.close(anew)
