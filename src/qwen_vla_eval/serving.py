"""`qwen-vla serve`: one checkpoint for one or more robots, until SIGINT or SIGTERM."""

import asyncio
import resource
import signal
import ssl
from collections.abc import Sequence
from pathlib import Path

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_core.errors import RemoteError
from qwen_vla_remote.engine import Served
from qwen_vla_remote.process import prepare_process
from qwen_vla_remote.server import PolicyServer, check_exposure


def serve_checkpoint(
    checkpoint: Path | str,
    embodiments: Sequence[Path],
    *,
    host: str,
    port: int,
    device: str,
    weights: str | None,
    threads: int,
    api_key_file: Path | None,
    tls: tuple[Path | None, Path | None] | None,
) -> None:
    """Load the policies, which share their weights, and serve them.

    Args:
        checkpoint: a folder, or ``owner/model`` on the hub.
        embodiments: YAML files of the robots.
        host, port: to listen on; port 0 for any that is free.
        device, weights, threads: as for ``QwenVlaPolicy.load``.
        api_key_file: its first line is what clients have to show.
        tls: files of certificate and private key.
    Raises:
        QwenVlaError: the checkpoint does not fit a robot, or the address cannot be served.
    """
    api_key = _read_key(api_key_file)
    check_exposure(host, api_key)  # before torch is loaded, which takes seconds
    context = _tls(tls)
    robots = [load_embodiment(path) for path in embodiments]
    prepare_process()
    from qwen_vla_model.policy import QwenVlaPolicy

    served, policy = {}, None
    for robot in robots:
        policy = QwenVlaPolicy.load(
            checkpoint, robot, device, weights=weights, threads=threads, beside=policy
        )
        took_s = policy.warm_up()
        served[robot.name] = Served(policy=policy, codec=EmbodimentCodec(robot))
        print(f"{robot.name}: one inference takes {took_s * 1e3:.0f} ms", flush=True)
        if policy.slow_reason:
            print(policy.slow_reason, flush=True)
    server = PolicyServer(
        str(checkpoint), served, host=host, port=port, api_key=api_key, tls=context
    )
    asyncio.run(_until_told(server, f"{'wss' if context else 'ws'}://{host}"))


async def _until_told(server: PolicyServer, address: str) -> None:
    """Serve until SIGINT or SIGTERM."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a connection is a file
    serving = asyncio.ensure_future(
        server.run(lambda port: print(f"serving {address}:{port}", flush=True))
    )
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
    try:
        context.load_cert_chain(*files)
    except (OSError, ssl.SSLError) as error:
        raise RemoteError(f"certificate {files[0]} with key {files[1]}: {error}") from error
    return context
