"""The protocol loop of openpi's own server, to measure ours beside it.

One request at a time: the policy runs inside the loop that reads the sockets, so that everybody
waits for everybody (src/openpi/serving/websocket_policy_server.py of
github.com/Physical-Intelligence/openpi, whose steps these are). It checks nothing; never serve
anything with it.
"""

import asyncio
import logging
import time
from collections.abc import Callable

import msgpack
import numpy as np
from websockets.asyncio.server import serve

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.policy import Policy
from qwen_vla_remote.messages import describe_server, read_request
from qwen_vla_remote.wire import pack


async def serve_stock(robot: Embodiment, policy: Policy, on_port: Callable[[int], None]) -> None:
    """Serve until cancelled; ``on_port`` is called with the port."""

    async def handle(connection) -> None:
        await connection.send(pack(describe_server("stock", {robot.name: robot})))
        async for frame in connection:
            begin_s = time.monotonic()
            value = msgpack.unpackb(frame, object_hook=_array)
            request = read_request(value, {robot.name: robot})
            actions_HC = policy.infer(request.observation, request.prefix)
            timing = {"infer_ms": (time.monotonic() - begin_s) * 1e3}
            answer = {"actions": actions_HC, "server_timing": timing}
            await connection.send(pack(answer | {"request_id": request.request_id}))

    quiet = logging.getLogger(__name__)
    quiet.addHandler(logging.NullHandler())
    quiet.propagate = False  # that a robot is gone is no news here
    options = {"compression": None, "max_size": None, "logger": quiet}
    async with serve(handle, "127.0.0.1", 0, **options) as server:
        on_port(server.sockets[0].getsockname()[1])
        await asyncio.get_running_loop().create_future()


def _array(value: dict) -> object:
    """What their client's frames have for an array."""
    if b"__ndarray__" in value:
        return np.ndarray(value[b"shape"], value[b"dtype"], value[b"data"])
    return value
