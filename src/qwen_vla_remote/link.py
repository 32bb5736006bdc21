"""A replica's end of the link to its fleet: connections come, and their ends are said back."""

import socket
from collections.abc import Callable
from contextlib import suppress

READY, ENDED = b"+", b"-"
"""What a replica says: that it can serve, and that one of its connections has ended."""


class Link(socket.socket):
    """To asyncio a listening socket, whose connections were accepted by the fleet's process.

    Attributes:
        on_end: called when the fleet has closed its side: no more connections will come.
    """

    on_end: Callable[[], None]

    def listen(self, backlog: int = 0) -> None:
        """Nothing: the fleet's process listens."""

    def accept(self) -> tuple[socket.socket, None]:
        """The next connection.

        Raises:
            BlockingIOError: there is none.
        """
        data, handles, _, _ = socket.recv_fds(self, 1, 1)
        if not data:
            self.on_end()
            raise BlockingIOError
        if not handles:  # this process may open no more files, and the connection is closed
            self.send(ENDED)
            raise BlockingIOError
        connection = _Connection(fileno=handles[0])
        connection.link = self
        return connection, None


class _Connection(socket.socket):
    link: Link

    def close(self) -> None:
        """Close it, and say so the first time."""
        if self.fileno() >= 0:
            with suppress(OSError):  # the fleet is gone
                self.link.send(ENDED)
        super().close()
