"""A policy on another machine, as a Policy: it answers within its deadline or raises.

The connection lives in a thread of its own, so that a link that stalls blocks nobody: whatever is
sent or awaited is given up at the deadline. A lost connection is made again as part of the
next request, with back-off, and what the server says of itself is compared each time.
"""

import asyncio
import logging
import os
import ssl
import threading
import time
import weakref

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    InvalidURI,
)

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec
from qwen_vla_core.errors import CheckpointError, QwenVlaError, RemoteError
from qwen_vla_core.execution import Prefix
from qwen_vla_core.observation.empty_scene import empty_scene
from qwen_vla_core.policy import ChannelPolicy
from qwen_vla_core.types import Observation

from .dialect import Dialect, OwnDialect
from .wire import ANSWER_BYTES, pack, unpack

API_KEY = "QWEN_VLA_API_KEY"
"""Environment variable with the server's key. A parameter of a node could be read by anyone on the
network, and an argument by anyone on the machine."""

START_S = 10.0
"""How long the first connection is tried, s: the server may still be loading."""
WARM_UP_S = 60.0
"""How long the first answer may take: a server of openpi's compiles its model for it."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0
"""Between two attempts to connect; doubles from one to the other."""
LATE_IN_A_ROW = 3
"""Missed deadlines after which the connection is made again: a link can die without any error."""
PING_S = 5.0
COMING_BACK = (502, 503, 504)
"""HTTP statuses of a server that ends or is full, or of a proxy whose server is away."""

_QUIET = logging.getLogger("qwen_vla_remote.client.websockets")
_QUIET.setLevel(logging.CRITICAL)  # with DEBUG it would write the key


class RemotePolicy(ChannelPolicy):
    """Implements ``qwen_vla_core.policy.Policy``.

    One thread may ask it at a time.

    Attributes:
        slow_reason: empty: the server reports itself what slows it down.
    """

    def __init__(
        self,
        url: str,
        embodiment: Embodiment,
        deadline_s: float = 1.0,
        dialect: Dialect | None = None,
    ) -> None:
        """Connect, and compare what is served with the robot.

        Args:
            url: ``ws://host:port``, ``wss://...``, with or without a path.
            deadline_s: an answer that takes longer is given up, s.
            dialect: of the server; None for one of ours.
        Raises:
            RemoteError: no such server can be reached, it refuses us, or the address holds a
                password, which every log and /diagnostics would show.
            CheckpointError: it serves another robot, or this one with other numbers.
        """
        if "@" in url:
            raise RemoteError(
                f"an address with a password ({url.rpartition('@')[2]}): set {API_KEY} instead"
            )
        self.url, self.deadline_s, self._robot = url, deadline_s, embodiment
        super().__init__(EmbodimentCodec(embodiment))
        self._dialect = dialect or OwnDialect(embodiment)
        self._pause_s, self._number, self._late_in_a_row = FIRST_PAUSE_S, 0, 0
        self._connections = self._late = 0
        self._server_ms = self._round_trip_ms = float("nan")
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=_run, args=(self._loop,), daemon=True, name="remote")
        thread.start()
        self._links: list[ClientConnection] = []  # of which close needs to know without self
        self.close = weakref.finalize(self, _stop, self._loop, thread, self._links)
        try:
            self._wait_for(self._connected(time.monotonic() + START_S))
        except BaseException:
            self.close()
            raise

    def warm_up(self) -> float:
        """How long one inference takes now, with the way there and back, s."""
        scene = empty_scene(self._robot)
        self._wait_for(self._ask(scene, None, max(WARM_UP_S, self.deadline_s)))
        begin_s = time.monotonic()
        self.infer(scene)
        return time.monotonic() - begin_s

    def infer(self, observation: Observation, prefix: Prefix | None = None) -> np.ndarray:
        """Ask the server: float32 [H, C] in [-1, 1].

        Raises:
            RemoteError: there is no usable answer within the deadline; the server's address and
                the reason are in the message.
            CheckpointError: a server that came back serves something else.
        """
        return self._wait_for(self._ask(observation, prefix, self.deadline_s))

    def reseed(self, seed: int) -> None:
        """Nothing: the server has its own noise."""

    def diagnostics(self) -> dict[str, object]:
        """How the last requests went."""
        return {
            "path": self.url,
            "round_trip_ms": self._round_trip_ms,
            "server_ms": self._server_ms,
            "connected": bool(self._links),
            "reconnects": max(0, self._connections - 1),
            "late_answers": self._late,
        }

    def _wait_for(self, work) -> object:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    # --- all below runs in the connection's thread

    async def _ask(
        self, observation: Observation, prefix: Prefix | None, deadline_s: float
    ) -> np.ndarray:
        begin_s = time.monotonic()
        end_s = begin_s + deadline_s
        self._number += 1
        while True:
            await self._connected(end_s)
            left_s = end_s - time.monotonic()
            try:
                frame = pack(self._dialect.write(observation, prefix, self._number, left_s))
            except RemoteError as error:
                raise RemoteError(f"{self.url}: cannot be asked: {error}") from error
            try:
                answer = await asyncio.wait_for(self._exchange(frame), left_s)
                break
            except asyncio.TimeoutError:
                self._late += 1
                self._late_in_a_row += 1
                if not self._dialect.numbered or self._late_in_a_row >= LATE_IN_A_ROW:
                    self._drop()
                raise RemoteError(f"{self.url}: no answer within {deadline_s:g} s") from None
            except (ConnectionClosed, OSError) as error:
                self._drop()
                if _we_refused(error):
                    raise RemoteError(f"{self.url}: its answer was refused: {error}") from error
            except RemoteError as error:
                self._drop()
                raise RemoteError(f"{self.url}: its answer was refused: {error}") from error
        self._late_in_a_row = 0
        if error := self._dialect.error(answer):
            raise RemoteError(f"{self.url}: {error[:500]}")
        try:
            actions_HC = self._dialect.read(answer, observation)
        except RemoteError as error:
            self._drop()
            raise RemoteError(f"{self.url}: its answer was refused: {error}") from error
        self._round_trip_ms = (time.monotonic() - begin_s) * 1e3
        timing = answer.get("server_timing") if isinstance(answer, dict) else None
        took_ms = timing.get("infer_ms") if isinstance(timing, dict) else None
        self._server_ms = float(took_ms) if isinstance(took_ms, float) else float("nan")
        return actions_HC

    async def _exchange(self, frame: bytes) -> object:
        """The answer to the present request; those to earlier ones are late and dropped."""
        (link,) = self._links
        await link.send(frame)
        while True:
            frame = await link.recv()
            if isinstance(frame, str):
                return frame
            answer = unpack(frame, ANSWER_BYTES)
            if not self._dialect.numbered:
                return answer
            number = answer.get("request_id") if isinstance(answer, dict) else None
            if number == self._number:
                return answer
            if type(number) is not int or number > self._number:
                raise RemoteError(f"an answer to request {str(number)[:40]}")

    async def _connected(self, end_s: float) -> None:
        """Have a connection to a server that serves this robot, by then."""
        reason = "no time was left"
        while not self._links:
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                raise RemoteError(f"{self.url}: cannot be reached ({reason}); is the server up?")
            try:
                self._links.append(await asyncio.wait_for(self._connect(), left_s))
            except (ConnectionClosed, OSError, asyncio.TimeoutError) as error:
                reason = str(error) or type(error).__name__
                left_s = max(0.0, end_s - time.monotonic())
                await asyncio.sleep(min(self._pause_s, left_s))
                self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            else:
                self._pause_s, self._late_in_a_row = FIRST_PAUSE_S, 0
                self._connections += 1

    async def _connect(self) -> ClientConnection:
        key = os.environ.get(API_KEY)
        # Openpi's server reads no ping while it infers, and its first inference takes a minute.
        ping_s = PING_S if self._dialect.numbered else None
        try:
            connection = await connect(
                self.url,
                additional_headers={"Authorization": f"Api-Key {key}"} if key else None,
                compression=None,
                max_size=ANSWER_BYTES,
                max_queue=4,
                ping_interval=ping_s,
                ping_timeout=ping_s,
                close_timeout=0.5,
                proxy=None,
                logger=_QUIET,
            )
        except ssl.SSLError as error:
            raise RemoteError(f"{self.url}: {error}") from error
        except (InvalidURI, ValueError) as error:
            raise RemoteError(f"{self.url} is no address such as ws://host:8000") from error
        except InvalidMessage as error:  # it ended meanwhile
            raise ConnectionError(str(error)) from error
        except InvalidHandshake as error:
            if isinstance(error, InvalidStatus) and error.response.status_code in COMING_BACK:
                raise ConnectionError(str(error)) from error
            hint = f" (set {API_KEY})" if "401" in str(error) else ""
            raise RemoteError(f"{self.url}: {error}{hint}") from error
        try:
            metadata = await connection.recv()
            if isinstance(metadata, str):
                raise RemoteError(metadata[:500])
            self._dialect.check(unpack(metadata, ANSWER_BYTES))
        except QwenVlaError as error:
            connection.transport.abort()
            kind = CheckpointError if isinstance(error, CheckpointError) else RemoteError
            raise kind(f"{self.url}: {error}") from error
        except BaseException:
            connection.transport.abort()
            raise
        return connection

    def _drop(self) -> None:
        while self._links:
            self._links.pop().transport.abort()


def _we_refused(error: Exception) -> bool:
    """Whether this side ended the connection because of what it received: a broken frame."""
    return (
        isinstance(error, ConnectionClosed)
        and error.sent is not None
        and error.rcvd is None
        and error.sent.code in (1002, 1007, 1009)
    )


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """The connection's thread."""
    asyncio.set_event_loop(loop)
    loop.run_forever()
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.close()


def _stop(
    loop: asyncio.AbstractEventLoop, thread: threading.Thread, links: list[ClientConnection]
) -> None:
    def hang_up() -> None:
        for link in links:
            link.transport.abort()
        loop.call_soon(loop.stop)

    loop.call_soon_threadsafe(hang_up)
    if thread is not threading.current_thread():  # the last reference may go anywhere
        thread.join(timeout=2.0)
