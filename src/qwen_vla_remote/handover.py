"""One process accepts connections and hands each to the replica on this computer that has fewest.

It reads and writes none of them, so that nothing passes through a second process.
"""

import asyncio
import socket
from collections.abc import Collection
from dataclasses import dataclass, field

from .link import ANOTHER, ELSEWHERE, ENDED, READY

WAIT_S = 0.05
"""How often to look for a replica while there is none."""


def _future() -> asyncio.Future:
    return asyncio.get_running_loop().create_future()


@dataclass(eq=False)
class Taker:
    """A replica, as who hands connections to it sees it.

    Attributes:
        link: this process's end.
        ready: done when it can serve.
        connections: how many it has.
    """

    link: socket.socket
    ready: asyncio.Future = field(default_factory=_future)
    connections: int = 0

    def read(self) -> bool:
        """Take in what it says; False when it says nothing any more."""
        try:
            said = self.link.recv(4096)
        except OSError:
            said = b""
        if READY in said and not self.ready.done():
            self.ready.set_result(None)
        self.connections -= said.count(ENDED)
        return bool(said)


async def hand_over(listener: socket.socket, takers: Collection[Taker]) -> None:
    """Accept until cancelled.

    Args:
        listener: bound, listening, and not blocking.
        takers: those that serve at present.
    """
    loop = asyncio.get_running_loop()
    while True:
        try:
            connection, _ = await loop.sock_accept(listener)
        except OSError:  # a client that was gone by then
            await asyncio.sleep(WAIT_S)
            continue
        with connection:
            while not takers:
                await asyncio.sleep(WAIT_S)
            taker = min(takers, key=lambda one: one.connections)
            try:
                socket.send_fds(taker.link, [ANOTHER], [connection.fileno()])
                taker.connections += 1
            except OSError:  # it has just died: its client connects again
                pass


def share_out(takers: Collection[Taker], most: int | None = None) -> None:
    """Have those with many connections let robots go, which come back to those with few.

    Args:
        most: connections that a replica may keep; None for an equal share.
    """
    if most is None:
        most = -(-sum(one.connections for one in takers) // len(takers))
    for taker in takers:
        if (surplus := taker.connections - most) > 0:
            try:
                taker.link.send(ELSEWHERE * surplus)
            except OSError:  # it has just died
                pass
