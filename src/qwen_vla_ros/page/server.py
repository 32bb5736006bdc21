"""HTTP and the websocket of the page, in a thread of its own with an event loop of its own.

A page that is slow, hostile or frozen costs nobody anything: each gets the newest state only when
it has confirmed the one before, and what it does not take within seconds disconnects it.
"""

import asyncio
import errno
import http
import itertools
import json
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress

from websockets.asyncio.server import Request as HttpRequest
from websockets.asyncio.server import Response, Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed

from qwen_vla_core.errors import QwenVlaError

from .access import Access
from .files import File
from .messages import LARGEST_BYTES, Message, Open, PageMessageError, Seen, read_message

HANDSHAKE_S = 5.0
"""A page that has not opened its websocket and said its first message by then is disconnected."""
SEND_S = 5.0
"""A page that has not taken a frame by then is disconnected."""
PING_S = 5.0
PORTS = 10
"""Several robots on one machine have ports beside each other."""
MOST_PAGES = 8
"""Pages at a time; each costs its share of drawing and encoding."""
MOST_UNSEEN = 2
"""States under way to a page: one that is drawn and one that travels."""
MOST_TEXTS = 200
"""Answers and lines of the journal that wait for a page."""

MOST_A_SECOND = 200
"""Messages of a page; keys say something 25 times a second."""

REFUSED, WRONG_MESSAGE, FULL = 4403, 4400, 4429
"""Codes of closing, for the page's words."""

SECURITY = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

_QUIET = logging.getLogger("qwen_vla_ros.page.websockets")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False  # a traceback for every closed tab would bury what matters

OnMessage = Callable[[int, Message | None], None]


class PageServerError(QwenVlaError):
    """The page cannot be served."""


class _Viewer:
    """One open page, in the server's thread."""

    def __init__(self, number: int, connection: ServerConnection, may_command: bool) -> None:
        self.number, self.connection, self.may_command = number, connection, may_command
        self.texts: deque[str] = deque(maxlen=MOST_TEXTS)
        self.unseen: deque[int] = deque()
        self.state = 0
        self.images: dict[int, int] = {}
        self.wake = asyncio.Event()


class PageServer:
    """Serves one page to browsers.

    ``show``, ``show_image`` and ``tell`` may be called from any thread; ``on_message`` and
    ``on_open`` are called in the server's.
    """

    def __init__(
        self,
        access: Access,
        files: Mapping[str, File],
        hello: Mapping[str, object],
        *,
        on_open: Callable[[int], None],
        on_message: OnMessage,
    ) -> None:
        """Nothing is opened yet.

        Args:
            access: who may what. files: the page. hello: what every page gets first.
            on_open: gets the number of a new page.
            on_message: gets the number and each message that may be acted on; None when the page
                is gone.
        """
        self._access, self._files, self._hello = access, files, dict(hello)
        self._on_open, self._on_message = on_open, on_message
        self._viewers: dict[int, _Viewer] = {}
        self._numbers = itertools.count(1)
        self._state: tuple[int, str] = (0, "")
        self._images: dict[int, tuple[int, bytes]] = {}
        self._count = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="page", daemon=True)
        self._server: Server | None = None

    def start(self, host: str, port: int) -> int:
        """Listen; returns the port: the first that is free of ``PORTS``, any for ``port`` 0.

        Raises:
            PageServerError: they are taken, or the address is not this machine's.
        """
        self._thread.start()
        for candidate in range(port, port + PORTS if port else 1):
            try:
                self._server = self._in_loop(self._listen(host, candidate))
            except OSError as error:
                if error.errno == errno.EADDRINUSE and candidate + 1 < port + PORTS:
                    continue
                self._end_thread()
                raise PageServerError(
                    f"cannot serve the page on {host} port {candidate}: {error.strerror}; name "
                    "another with --port, or 0 for any"
                ) from error
            return self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Disconnect everybody."""
        if self._server is not None:
            self._in_loop(self._stop())
            self._server = None
        self._end_thread()

    # --- from any thread

    def show(self, state: Mapping[str, object]) -> int:
        """The newest state, for every page that has seen the one before; returns its number."""
        number = next(self._count)
        numbered = {**state, "number": number}
        text = json.dumps(numbered, separators=(",", ":"), allow_nan=False)
        self._call(self._set_state, number, text)
        return number

    def show_image(self, camera: int, jpeg: bytes) -> None:
        """The newest image of a camera, by its number."""
        self._call(self._set_image, camera, jpeg)

    def tell(self, page: int | None, message: Mapping[str, object]) -> None:
        """Something that must not be left out, to one page; None for all."""
        self._call(self._add_text, page, json.dumps(message, separators=(",", ":")))

    def _call(self, function: Callable, *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop was closed
            self._loop.call_soon_threadsafe(function, *arguments)

    # --- in the server's thread

    def _in_loop(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10.0)

    def _end_thread(self) -> None:
        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self, host: str, port: int) -> Server:
        return await serve(
            self._serve,
            host,
            port,
            process_request=self._on_http,
            compression=None,
            max_size=LARGEST_BYTES,
            max_queue=8,
            open_timeout=HANDSHAKE_S,
            ping_interval=PING_S,
            ping_timeout=PING_S,
            close_timeout=1.0,
            server_header=None,
            logger=_QUIET,
        )

    async def _stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    def _set_state(self, number: int, text: str) -> None:
        self._state = number, text
        self._wake()

    def _set_image(self, camera: int, jpeg: bytes) -> None:
        self._images[camera] = next(self._count), bytes([camera]) + jpeg

    def _add_text(self, page: int | None, text: str) -> None:
        for viewer in self._viewers.values():
            if page in (None, viewer.number):
                viewer.texts.append(text)
        self._wake()

    def _wake(self) -> None:
        for viewer in self._viewers.values():
            viewer.wake.set()

    def _on_http(self, connection: ServerConnection, request: HttpRequest) -> Response | None:
        """Give out the files of the page, and let a websocket in or not."""
        path = request.path.partition("?")[0]
        hosts = request.headers.get_all("Host")
        if path != "/live":
            file = self._files.get(path)
            if file is None:
                return _respond(http.HTTPStatus.NOT_FOUND, "there is no such page\n")
            return _respond(http.HTTPStatus.OK, file.data, file.kind)
        origins = request.headers.get_all("Origin")
        if len(hosts) != 1 or len(origins) > 1:
            return _respond(http.HTTPStatus.BAD_REQUEST, "one Host and one Origin\n")
        why = self._access.refusal(hosts[0], origins[0] if origins else None)
        if why:
            return _respond(http.HTTPStatus.FORBIDDEN, f"{why}\n")
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        """One page, from its first message to its end."""
        try:
            first = read_message(await asyncio.wait_for(connection.recv(), HANDSHAKE_S))
        except (PageMessageError, ConnectionClosed, asyncio.TimeoutError):
            return await connection.close(WRONG_MESSAGE, "the first message opens")
        may_command = isinstance(first, Open) and self._access.may_command(first.token)
        if not may_command and not self._access.loopback:
            return await connection.close(REFUSED, "the address holds a token: open it whole")
        if len(self._viewers) >= MOST_PAGES:
            return await connection.close(FULL, f"{MOST_PAGES} pages are open already")
        viewer = _Viewer(next(self._numbers), connection, may_command)
        hello = {**self._hello, "may_command": may_command, "page": viewer.number}
        viewer.texts.append(json.dumps(hello))
        viewer.wake.set()
        self._viewers[viewer.number] = viewer
        self._on_open(viewer.number)
        sender = asyncio.ensure_future(self._send(viewer))
        try:
            await self._receive(viewer)
        except PageMessageError as error:
            await connection.close(WRONG_MESSAGE, str(error)[:120])
        except ConnectionClosed:
            pass
        finally:
            del self._viewers[viewer.number]
            self._on_message(viewer.number, None)
            sender.cancel()

    async def _receive(self, viewer: _Viewer) -> None:
        second, count = 0, 0
        async for frame in viewer.connection:
            now = int(self._loop.time())
            second, count = now, count + 1 if now == second else 1
            if count > MOST_A_SECOND:
                raise PageMessageError(f"more than {MOST_A_SECOND} messages a second")
            message = read_message(frame)
            if isinstance(message, Seen):
                while viewer.unseen and viewer.unseen[0] <= message.number:
                    viewer.unseen.popleft()
            elif not viewer.may_command:
                viewer.texts.append(json.dumps(_no_token(message)))
                viewer.wake.set()
                continue
            viewer.wake.set()
            self._on_message(viewer.number, message)

    async def _send(self, viewer: _Viewer) -> None:
        with suppress(ConnectionClosed):
            while True:
                await viewer.wake.wait()
                viewer.wake.clear()
                while viewer.texts:
                    await self._give(viewer, viewer.texts.popleft())
                number, state = self._state
                if len(viewer.unseen) < MOST_UNSEEN and number != viewer.state:
                    viewer.state = number
                    viewer.unseen.append(number)
                    for camera, (count, frame) in sorted(self._images.items()):
                        if viewer.images.get(camera) != count:
                            viewer.images[camera] = count
                            await self._give(viewer, frame)
                    await self._give(viewer, state)

    async def _give(self, viewer: _Viewer, frame: str | bytes) -> None:
        try:
            await asyncio.wait_for(viewer.connection.send(frame), SEND_S)
        except asyncio.TimeoutError:
            viewer.connection.transport.abort()


def _no_token(message: Message) -> dict[str, object]:
    words = "this page only shows: commands need the address that the terminal printed"
    number = getattr(message, "id", None)
    return {"type": "answer", "id": number, "granted": False, "text": words}


def _respond(
    status: http.HTTPStatus, body: str | bytes, kind: str = "text/plain; charset=utf-8"
) -> Response:
    data = body.encode() if isinstance(body, str) else body
    headers = Headers(
        {**SECURITY, "Content-Type": kind, "Content-Length": str(len(data)), "Connection": "close"}
    )
    return Response(status.value, status.phrase, headers, data)
