"""Replicas of a policy server behind one port of this machine, one a GPU.

The process of the fleet accepts, and hands each connection to the replica that has the fewest
(``handover.py``). A replica that ends is started again, and an update replaces one after the
other.
"""

import asyncio
import multiprocessing
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess

from qwen_vla_core.errors import RemoteError

from .handover import Taker, hand_over, share_out
from .server import DRAIN_S

PAUSE_S = 1.0
"""Before a replica that ended while it loaded is started once more."""
END_S = DRAIN_S + 5.0
"""A replica that was told to end is killed after that."""


@dataclass(eq=False)
class _Replica(Taker):
    """A process: ``ended`` with its exit status."""

    process: BaseProcess = field(kw_only=True)
    ended: asyncio.Future = field(kw_only=True)


class Fleet:
    """Keeps replicas running and shares out the connections."""

    def __init__(
        self, serve: Callable[[int, socket.socket], None], count: int, listener: socket.socket
    ) -> None:
        """Nothing is started yet.

        Args:
            serve: what a replica's process runs, with its number and its end of the link, which it
                makes a ``Link``; it can be pickled.
            count: of replicas.
            listener: bound and listening.
        """
        self._serve, self._count, self._listener = serve, count, listener
        self._serving: dict[int, _Replica] = {}
        self._all: set[_Replica] = set()
        self._starting = asyncio.Lock()

    @property
    def pids(self) -> dict[int, int]:
        """Process ids of the replicas that serve, by number."""
        return {number: replica.process.pid for number, replica in self._serving.items()}

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until cancelled; then answer what was asked before, and end every replica.

        Args:
            on_ready: called when all replicas serve.
        Raises:
            RemoteError: a replica cannot be started.
        """
        self._listener.setblocking(False)
        work: list[asyncio.Future] = []
        try:
            async with self._starting:
                for number in range(self._count):  # in turn: weights that load fill memory twice
                    await self._start(number)
            on_ready()
            serving = self._serving.values()  # also those of later
            work = [asyncio.ensure_future(hand_over(self._listener, serving))]
            work += [asyncio.ensure_future(self._keep(number)) for number in range(self._count)]
            await asyncio.gather(*work)
        finally:
            for task in work:
                task.cancel()
            await self._end()

    async def update(self) -> None:
        """Replace one replica after the other, each when its successor serves.

        Raises:
            RemoteError: a successor ended while it loaded; those that served go on.
        """
        for number in range(self._count):
            async with self._starting:
                before = self._serving.get(number)
                await self._start(number)
                if before is not None:
                    _retire(before)
            print(f"replica {number}: replaced", flush=True)

    async def _keep(self, number: int) -> None:
        """Start a replica again whenever it has ended."""
        while True:
            replica = self._serving[number]
            await asyncio.wait({replica.ended})  # which is not cancelled with this
            if self._serving[number] is not replica:  # it was replaced
                continue
            del self._serving[number]
            print(
                f"replica {number} ended with status {replica.ended.result()}: starting it again",
                flush=True,
            )
            while number not in self._serving:
                try:
                    async with self._starting:
                        if number not in self._serving:
                            await self._start(number)
                except RemoteError as error:
                    print(error, flush=True)
                    await asyncio.sleep(PAUSE_S)
            share_out(self._serving.values())
            print(f"replica {number} serves again", flush=True)

    async def _start(self, number: int) -> None:
        """Have a new replica serve under a number."""
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with theirs:
            process = multiprocessing.get_context("spawn").Process(
                target=self._serve, args=(number, theirs), daemon=True
            )
            # Ctrl-C at a terminal is for the fleet, which ends its replicas in order.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            process.start()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        ours.setblocking(False)
        replica = _Replica(ours, process=process, ended=loop.create_future())
        self._all.add(replica)
        loop.add_reader(ours, _read, replica)
        loop.add_reader(process.sentinel, self._on_end, replica)
        await asyncio.wait({replica.ready, replica.ended}, return_when=asyncio.FIRST_COMPLETED)
        if not replica.ready.done():
            raise RemoteError(
                f"replica {number} ended with status {replica.ended.result()} while it loaded; "
                "the reason is above"
            )
        self._serving[number] = replica

    def _on_end(self, replica: _Replica) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(replica.process.sentinel)
        loop.remove_reader(replica.link)
        replica.link.close()
        replica.process.join()
        self._all.discard(replica)
        replica.ended.set_result(replica.process.exitcode)

    async def _end(self) -> None:
        """Let those that serve answer, and kill those that load."""
        for replica in self._all:
            if replica.ready.done():
                _retire(replica)
            else:
                replica.process.kill()
        ending = [replica.ended for replica in self._all]
        if ending:
            await asyncio.wait(ending, timeout=END_S)
        for replica in self._all:
            replica.process.kill()
        if ending:
            await asyncio.wait(ending)


def _read(replica: _Replica) -> None:
    if not replica.read():
        asyncio.get_running_loop().remove_reader(replica.link)


def _retire(replica: _Replica) -> None:
    """No more connections: it answers what it was asked, lets its clients go, and ends."""
    try:
        replica.link.shutdown(socket.SHUT_WR)
    except OSError:  # it is dead
        pass
