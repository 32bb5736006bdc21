"""`qwen-vla serve`: one checkpoint for one or more robots, until SIGINT or SIGTERM."""

import asyncio
import functools
import resource
import signal
import socket
import ssl
import sys
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from qwen_vla_core.child_process import die_with_parent
from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_core.errors import QwenVlaError, RemoteError
from qwen_vla_core.instruction import check_instruction
from qwen_vla_remote.engine import Served
from qwen_vla_remote.fleet import Fleet
from qwen_vla_remote.link import READY, Link
from qwen_vla_remote.process import prepare_process
from qwen_vla_remote.server import PolicyServer, check_exposure, is_loopback
from qwen_vla_ros.load_policy import is_ours, load_policy

MOST_FILES = 10_000
"""A connection is one: the server's limit of clients five times, for those that say nothing yet. A
flood of them must not fill the memory."""
NO_TLS = (
    "without --tls-cert and --tls-key whoever can listen on the network reads the key and the "
    "images"
)


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What is served, and to whom.

    Attributes:
        checkpoint: a folder.
        embodiments: YAML files of the robots.
        instruction: of clients that send no prompt.
        host, port: to listen on; port 0 for any that is free.
        devices: of torch; a replica on each.
        weights, threads, compiled: as for ``QwenVlaPolicy.load``.
        api_key_file: its first line is what clients have to show.
        tls: files of certificate and private key.
    """

    checkpoint: Path
    embodiments: Sequence[Path]
    instruction: str | None
    host: str
    port: int
    devices: Sequence[str]
    weights: str | None
    threads: int
    compiled: bool
    api_key_file: Path | None
    tls: tuple[Path | None, Path | None] | None

    @property
    def address(self) -> str:
        return f"{'wss' if self.tls else 'ws'}://{self.host}"

    def check(self) -> None:
        """Read what is small, before torch is loaded, which takes seconds.

        A network without TLS is served, and said to be.

        Raises:
            QwenVlaError: a file cannot be used, or a network would be served without a key.
        """
        check_exposure(self.host, _read_key(self.api_key_file))
        _tls(self.tls)
        if self.tls is None and not is_loopback(self.host):
            print(NO_TLS, flush=True)
        if self.instruction is not None:
            check_instruction(self.instruction)
        for path in self.embodiments:
            load_embodiment(path)

    def server(self, device: str, port: int, **options: object) -> PolicyServer:
        """Load the policies, which share their weights, for a device.

        Raises:
            QwenVlaError: the checkpoint does not fit a robot.
        """
        prepare_process()
        served, policy = {}, None
        how = {"device": device, "weights": self.weights, "threads": self.threads}
        for robot in map(load_embodiment, self.embodiments):
            if is_ours(self.checkpoint):
                from qwen_vla_model.policy import QwenVlaPolicy

                policy = QwenVlaPolicy.load(
                    self.checkpoint, robot, **how, beside=policy, compiled=self.compiled
                )
            else:
                policy = load_policy(self.checkpoint, robot, **how)
            took_s = policy.warm_up()
            codec = getattr(policy, "codec", None) or EmbodimentCodec(robot)
            served[robot.name] = Served(policy=policy, codec=codec)
            print(f"{robot.name}: one inference takes {took_s * 1e3:.0f} ms", flush=True)
            if policy.slow_reason:
                print(policy.slow_reason, flush=True)
        return PolicyServer(
            str(self.checkpoint),
            served,
            host=self.host,
            port=port,
            instruction=self.instruction,
            api_key=_read_key(self.api_key_file),
            tls=_tls(self.tls),
            **options,
        )


def serve_checkpoint(serving: Serving) -> None:
    """Load the policies and serve them, from this process or from one for each device.

    Raises:
        QwenVlaError: the checkpoint does not fit a robot, or the address cannot be served.
    """
    serving.check()
    if len(serving.devices) > 1:
        asyncio.run(_serve_fleet(serving))
        return
    server = serving.server(*serving.devices, serving.port)
    asyncio.run(
        _until_told(
            server.run(lambda port: print(f"serving {serving.address}:{port}", flush=True))
        )
    )


async def _serve_fleet(serving: Serving) -> None:
    """Replicas behind one port; SIGUSR1 replaces them by what the checkpoint is then."""
    listener = listen(serving.host, serving.port)
    port = listener.getsockname()[1]
    fleet = Fleet(functools.partial(_serve_replica, serving, port), len(serving.devices), listener)
    updates: set[asyncio.Future] = set()

    def update() -> None:
        task = asyncio.ensure_future(_update(fleet))
        updates.add(task)  # or it could be collected while it runs
        task.add_done_callback(updates.discard)

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, update)
    with listener:
        await _until_told(
            fleet.run(lambda: print(f"serving {serving.address}:{port}", flush=True))
        )


def listen(host: str, port: int) -> socket.socket:
    """A socket on which robots can connect.

    Raises:
        RemoteError: the address cannot be served.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise RemoteError(f"cannot serve {host} port {port}: {error.strerror}") from error


async def _update(fleet: Fleet) -> None:
    try:
        await fleet.update()
    except RemoteError as error:
        print(f"not updated: {error}", flush=True)


def _serve_replica(serving: Serving, port: int, number: int, link: socket.socket) -> None:
    """A replica's process; its own port, for /metrics, is ``number`` + 1 above the fleet's."""
    die_with_parent()
    own_port = port + 1 + number if serving.port else 0
    device = serving.devices[number]
    with Link(fileno=link.detach()) as ours:
        try:
            server = serving.server(device, own_port, share_port=True, link=ours)
        except QwenVlaError as error:
            sys.exit(f"replica {number} on {device}: {error}")

        def on_port(own: int) -> None:
            print(f"replica {number} on {device}: /metrics on port {own}", flush=True)
            ours.send(READY)

        allow_connections()
        with suppress(asyncio.CancelledError):
            asyncio.run(server.run(on_port))


def allow_connections() -> None:
    """Let this process hold as many files as a server needs."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, MOST_FILES), hard))


async def _until_told(work: Coroutine) -> None:
    """Serve until SIGINT or SIGTERM."""
    allow_connections()
    serving = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        print("ended on request (Ctrl-C or SIGTERM)", flush=True)


def _read_key(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        key = file.read_text(encoding="ascii").strip().splitlines()[:1]
    except (OSError, UnicodeDecodeError) as error:
        raise RemoteError(f"--api-key-file {file} cannot be read: {error}") from error
    if not key or len(key[0]) < 16:
        raise RemoteError(f"--api-key-file {file}: its first line is no key of 16 letters or more")
    return key[0]


def _tls(files: tuple[Path | None, Path | None] | None) -> ssl.SSLContext | None:
    if files is None:
        return None
    if None in files:
        raise RemoteError("--tls-cert and --tls-key go together")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(*files)
    except (OSError, ssl.SSLError) as error:
        raise RemoteError(f"certificate {files[0]} with key {files[1]}: {error}") from error
    return context
