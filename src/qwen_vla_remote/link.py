"""A replica's end of the link to who accepts: connections come, and their ends are said back."""

import socket
from collections.abc import Callable
from contextlib import suppress

READY, ENDED = b"+", b"-"
"""What a replica says: that it can serve, and that one of its connections has ended."""
ANOTHER, ELSEWHERE = b".", b"<"
"""What it is told: a connection comes with this, and a robot had better be served elsewhere."""


class Link(socket.socket):
    """To asyncio a listening socket, whose connections were accepted by another process.

    Attributes:
        on_end: called when the other side has closed: no more connections will come.
        on_elsewhere: called when a robot should be let go.
    """

    on_end: Callable[[], None]
    on_elsewhere: Callable[[], None]

    def listen(self, backlog: int = 0) -> None:
        """Nothing: the other process listens."""

    def accept(self) -> tuple[socket.socket, None]:
        """The next connection.

        Raises:
            BlockingIOError: there is none.
        """
        data, handles, _, _ = socket.recv_fds(self, 1, 1)
        if not data:
            self.on_end()
            raise BlockingIOError
        if data == ELSEWHERE:
            self.on_elsewhere()
            raise BlockingIOError
        if not handles:  # this process may open no more files, and the connection is closed
            self.say(ENDED)
            raise BlockingIOError
        connection = _Connection(fileno=handles[0])
        connection.link = self
        return connection, None

    def say(self, what: bytes) -> None:
        """Tell the other side, if it is there."""
        with suppress(OSError):
            self.send(what)


class _Connection(socket.socket):
    link: Link

    def close(self) -> None:
        """Close it, and say so the first time."""
        if self.fileno() >= 0:
            self.link.say(ENDED)
        super().close()
