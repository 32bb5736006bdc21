"""A policy behind openpi's wire format: websocket, msgpack, arrays as maps. Nothing is unpickled.

Format: openpi_client/{msgpack_numpy,websocket_client_policy}.py of Physical Intelligence's openpi.
"""

import os
import time

import msgpack
import numpy as np
from websockets.sync.client import connect

API_KEY = "QWEN_VLA_API_KEY"
"""Environment variable with the server's key."""
WARM_UP_S, ANSWER_S = 600.0, 60.0
"""How long the first answer may take, for which some servers compile their model, and others."""


class OpenpiPolicy:
    """Asks a server for chunks of actions.

    Attributes:
        metadata: what the server says of itself.
        infer_s: how long each answer took, from the question on, s.
    """

    def __init__(self, url: str) -> None:
        key = os.environ.get(API_KEY)
        headers = {"Authorization": f"Api-Key {key}"} if key else None
        self._socket = connect(
            url, additional_headers=headers, max_size=None, compression=None, ping_interval=None
        )
        self.metadata = unpack(self._socket.recv(timeout=WARM_UP_S))
        self.infer_s: list[float] = []

    def infer(self, observation: dict) -> dict:
        """The answer, a map with ``actions``.

        Raises:
            RuntimeError: the server answered with an error; its words.
            TimeoutError: it does not answer.
        """
        begin_s = time.monotonic()
        self._socket.send(pack(observation))
        answer = self._socket.recv(timeout=ANSWER_S if self.infer_s else WARM_UP_S)
        self.infer_s.append(time.monotonic() - begin_s)
        if isinstance(answer, str):
            raise RuntimeError(f"the policy server says: {answer}")
        return unpack(answer)


def pack(value: object) -> bytes:
    """A frame."""
    return msgpack.packb(value, default=_pack_array)


def unpack(frame: bytes) -> object:
    """What a frame holds."""
    return msgpack.unpackb(frame, object_hook=_unpack_array)


def _pack_array(value: object) -> dict:
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return {
            b"__ndarray__": True,
            b"data": value.tobytes(),
            b"dtype": value.dtype.str,
            b"shape": value.shape,
        }
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}
    raise TypeError(f"a value of type {type(value).__name__} cannot be sent")


def _unpack_array(value: dict) -> object:
    if b"__ndarray__" in value:
        return np.ndarray(value[b"shape"], np.dtype(value[b"dtype"]), value[b"data"])
    if b"__npgeneric__" in value:
        return np.dtype(value[b"dtype"]).type(value[b"data"])
    return value
