"""A policy server: openpi's protocol, beside it /healthz and /metrics on the same port.

What a client does costs nobody else anything: one that is slow, silent, hostile or gone holds one
connection, one frame and at most one request in the queue, for a limited time.
"""

import asyncio
import hmac
import http
import ipaddress
import logging
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence

from websockets.asyncio.server import Request as HttpRequest
from websockets.asyncio.server import Response, Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from qwen_vla_core.errors import QwenVlaError, RemoteError

from .engine import Client, Engine, Served
from .link import Link
from .messages import Request, describe_server, read_request
from .metrics import Metrics
from .wire import ANSWER_BYTES, REQUEST_BYTES, pack, unpack

HANDSHAKE_S = 5.0
"""A client that has not asked for a websocket by then is disconnected."""
FRAME_S = 10.0
"""A client whose message comes in pieces, and is not whole by then, is disconnected."""
SEND_S = 5.0
"""A client that has not taken its answer by then is disconnected."""
PING_S = 10.0
"""How often a client is asked whether it is there, and how long it has for the answer."""
MOST_CONNECTIONS = 2000
HANGING_S = 10.0
"""A pass of the policy that takes longer makes /healthz say so."""

DRAIN_S = 10.0
"""How long a server that ends goes on to answer what was asked before."""

DAMAGED, RESTART = 1007, 1012  # RFC 6455, 7.4.1 and its registry

_QUIET = logging.getLogger("qwen_vla_remote.websockets")
_QUIET.setLevel(logging.CRITICAL)
"""A traceback for every port scan would bury what matters, and with DEBUG it would write keys."""


def is_loopback(host: str) -> bool:
    """Whether it is this machine alone that reaches an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_exposure(host: str, api_key: str | None) -> None:
    """Refuse to serve a network without a key.

    Raises:
        RemoteError: ``host`` is not this machine alone, and there is no key.
    """
    if not is_loopback(host) and not api_key:
        raise RemoteError(
            f"anyone who reaches {host} could use this policy: give --api-key-file (its first "
            "line is the key), or serve 127.0.0.1"
        )


class _Connection(ServerConnection):
    """One whose client cannot fill our memory with what it does not read, such as pongs."""

    def data_received(self, data: bytes) -> None:
        if self.transport.get_write_buffer_size() > ANSWER_BYTES:
            self.transport.abort()
        else:
            super().data_received(data)


class PolicyServer:
    """Answers openpi clients, and those of ``client.py``, for one or more robots.

    Attributes:
        metrics: what happened so far.
    """

    def __init__(
        self,
        policy: str,
        served: Mapping[str, Served],
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        instruction: str | None = None,
        api_key: str | None = None,
        tls: ssl.SSLContext | None = None,
        share_port: bool = False,
        listener: socket.socket | None = None,
        link: Link | None = None,
    ) -> None:
        """Nothing is opened yet.

        Args:
            policy: what is served, for the metadata.
            served: by the name of the embodiment.
            port: 0 for any that is free.
            instruction: of clients that send no prompt.
            api_key: what clients have to show as ``Authorization: Api-Key ...``.
            tls: certificate and key of this machine.
            share_port: a replica that is about to end may serve the same port.
            listener: bound already, in the place of ``host`` and ``port``.
            link: brings further connections, and ends the server when it ends.
        Raises:
            RemoteError: a network would be served without a key.
        """
        check_exposure(host, api_key)
        self._robots = {name: s.codec.embodiment for name, s in served.items()}
        self._instruction = instruction
        self._metadata = pack(describe_server(policy, self._robots))
        self._address, self._tls = (host, port), tls
        self._share_port, self._listener, self._link = share_port, listener, link
        self._api_key = f"Api-Key {api_key}".encode() if api_key else None
        self.metrics = Metrics()
        self._engine = Engine(served, self.metrics)
        self._open = 0
        self._idle: set[ServerConnection] = set()
        self._ending = False
        self._surplus = 0
        self._servers: list[Server] = []

    async def run(self, on_port: Callable[[int], None]) -> None:
        """Serve until cancelled; then answer what was asked before, and let everybody go.

        Args:
            on_port: called with the port as soon as clients can connect.
        Raises:
            RemoteError: the address cannot be served.
        """
        host, port = self._address
        where = {"host": host, "port": port, "reuse_port": self._share_port}
        if self._listener is not None:
            where = {"sock": self._listener}
        try:
            await self._listen(**where)
        except OSError as error:
            raise RemoteError(f"cannot serve {host} port {port}: {error.strerror}") from error
        ended = asyncio.get_running_loop().create_future()
        try:
            if self._link is not None:
                await self.take_from(self._link, ended.cancel)
            on_port(self._servers[0].sockets[0].getsockname()[1])
            await ended
        finally:
            await self._end()

    async def take_from(self, link: Link, on_end: Callable[[], None]) -> Server:
        """Serve what a link brings as well.

        Args:
            on_end: called when nothing more will come.
        """
        link.on_end, link.on_elsewhere = on_end, self._let_one_go
        return await self._listen(sock=link)

    def _let_one_go(self) -> None:
        """After its next answer, when it is in nobody's way."""
        self._surplus += 1

    @property
    def hangs_s(self) -> float:
        """For how long the present pass of the policy has been going on."""
        since_s = self._engine.busy_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    @property
    def oldest_s(self) -> float:
        """How long the oldest request has waited for a pass."""
        return self._engine.oldest_s

    async def _listen(self, **where: object) -> Server:
        if self._tls is not None:
            where |= {"ssl": self._tls, "ssl_handshake_timeout": HANDSHAKE_S}
        server = await serve(
            self._serve,
            **where,
            create_connection=_Connection,
            process_request=self._on_http,
            origins=[None],  # a page in a browser on this machine is no client
            compression=None,
            max_size=REQUEST_BYTES,
            max_queue=1,
            open_timeout=HANDSHAKE_S,
            ping_interval=PING_S,
            ping_timeout=PING_S,
            close_timeout=1.0,
            server_header=None,
            backlog=1024,
            logger=_QUIET,
        )
        self._servers.append(server)
        return server

    async def _end(self) -> None:
        """Nobody is let in any more, and everybody goes after the answer that they wait for.

        A client of ours then finds the next server, and asks again what this one had not read.
        """
        self._ending = True
        for server in self._servers:
            server.close(close_connections=False)
        leaving = [asyncio.ensure_future(c.close(RESTART, "restart")) for c in self._idle]
        try:
            await asyncio.wait_for(_closed(self._servers), DRAIN_S)
        except asyncio.TimeoutError:
            for server in self._servers:
                for connection in server.connections:
                    connection.transport.abort()
            await _closed(self._servers)
        await asyncio.gather(*leaving, return_exceptions=True)
        self._engine.close()

    def _on_http(self, connection: ServerConnection, request: HttpRequest) -> Response | None:
        """Answer what is no websocket, and let nobody in without the key."""
        if request.path == "/healthz":
            if self.hangs_s < HANGING_S:
                return connection.respond(http.HTTPStatus.OK, "OK\n")
            text = f"inference hangs for {self.hangs_s:.0f} s\n"
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, text)
        shown = ",".join(request.headers.get_all("Authorization"))
        shown = shown.encode("ascii", "surrogateescape")
        if self._api_key is not None and not hmac.compare_digest(shown, self._api_key):
            text = "this server wants the header 'Authorization: Api-Key ...'\n"
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, text)
        if request.path == "/metrics":
            text = self.metrics.text(self._open, self._engine.waiting)
            return connection.respond(http.HTTPStatus.OK, text)
        if self._open >= MOST_CONNECTIONS:
            text = f"{MOST_CONNECTIONS} clients are connected already\n"
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, text)
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        """One client, from its metadata to its end."""
        self._open += 1
        self.metrics.connections += 1
        gone = asyncio.ensure_future(connection.wait_closed())
        client, previous_s = Client(), None
        try:
            await _send(connection, self._metadata)
            while not self._ending:
                self._idle.add(connection)
                frame = await _receive(connection)
                self._idle.discard(connection)
                begin_s = time.monotonic()
                self.metrics.requests += 1
                answer, close = await self._answer(frame, client, gone, begin_s, previous_s)
                if answer is None:
                    self.metrics.clients_gone += 1
                    return
                await _send(connection, answer)
                if close:
                    reason = "restart" if close == RESTART else "see the frame before"
                    await connection.close(close, reason)
                    return
                previous_s = time.monotonic() - begin_s
            await connection.close(RESTART, "restart")
        except ConnectionClosed:
            return
        finally:
            self._idle.discard(connection)
            self._open -= 1
            gone.cancel()

    async def _answer(
        self,
        frame: bytes | str,
        client: Client,
        gone: asyncio.Future,
        begin_s: float,
        previous_s: float | None,
    ) -> tuple[bytes | str | None, int]:
        """The frame to send, and the code to close with afterwards or 0; None: nobody is there."""
        try:
            value = unpack(frame if isinstance(frame, bytes) else b"", REQUEST_BYTES)
        except RemoteError as error:
            self.metrics.refusals += 1
            return f"refused: {error}", DAMAGED
        try:
            request = read_request(value, self._robots, self._instruction)
        except QwenVlaError as error:
            self.metrics.refusals += 1
            return _failure(value, f"refused: {error}"), 0
        work = asyncio.ensure_future(self._engine.ask(request, client))
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            work.cancel()
            return None, 0
        try:
            actions = work.result()
        except QwenVlaError as error:
            return _failure(value, str(error)), 0
        self.metrics.answers += 1
        infer_s = time.monotonic() - begin_s
        self.metrics.latency_s.add(infer_s)
        return _success(request, actions, infer_s, previous_s), self._leaves(request)

    def _leaves(self, request: Request) -> int:
        """RESTART for a client of ours that had better be served elsewhere: it comes back."""
        if self._surplus == 0 or request.request_id is None:
            return 0
        self._surplus -= 1
        return RESTART


async def _closed(servers: Sequence[Server]) -> None:
    for server in servers:
        await server.wait_closed()


def _success(request: Request, actions, infer_s: float, previous_s: float | None) -> bytes:
    timing = {"infer_ms": infer_s * 1e3}
    if previous_s is not None:
        timing["prev_total_ms"] = previous_s * 1e3
    answer = {"actions": actions, "server_timing": timing}
    if request.request_id is not None:
        answer["request_id"] = request.request_id
    return pack(answer)


def _failure(value: object, text: str) -> bytes | str:
    """A text frame, as openpi's; to a client that counts its requests, one with the number."""
    number = value.get("request_id") if isinstance(value, dict) else None
    return pack({"request_id": number, "error": text}) if type(number) is int else text


async def _receive(connection: ServerConnection) -> bytes | str:
    """The next message, or disconnect a client that sends a piece of it now and then."""
    pieces = connection.recv_streaming()
    message = await anext(pieces)
    late = asyncio.get_running_loop().call_later(FRAME_S, connection.transport.abort)
    try:
        rest = [piece async for piece in pieces]
    finally:
        late.cancel()
    return type(message)().join([message, *rest]) if rest else message


async def _send(connection: ServerConnection, frame: bytes | str) -> None:
    """Send, or disconnect a client that does not read."""
    try:
        await asyncio.wait_for(connection.send(frame), SEND_S)
    except asyncio.TimeoutError:
        connection.transport.abort()
        await connection.wait_closed()
