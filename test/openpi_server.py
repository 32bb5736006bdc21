"""A server of openpi's protocol that shares no code with ours: msgpack by hand, over websockets.

msgpack: https://github.com/msgpack/msgpack/blob/master/spec.md; arrays as in openpi's
packages/openpi-client/src/openpi_client/msgpack_numpy.py.
"""

import logging
import struct
import threading
from contextlib import contextmanager

import numpy as np
from websockets.sync.server import serve


def packed(value):
    """Only what a server of theirs sends: maps, texts, numbers, float arrays."""
    if isinstance(value, np.ndarray):
        array = {
            b"__ndarray__": True,
            b"data": value.tobytes(),
            b"dtype": value.dtype.str,
            b"shape": list(value.shape),
        }
        return packed(array)
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return b"\xd3" + struct.pack(">q", value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, bytes):
        return b"\xc6" + struct.pack(">I", len(value)) + value
    if isinstance(value, str):
        return b"\xdb" + struct.pack(">I", len(value.encode())) + value.encode()
    if isinstance(value, list):
        return b"\xdd" + struct.pack(">I", len(value)) + b"".join(map(packed, value))
    parts = b"".join(packed(key) + packed(item) for key, item in value.items())
    return b"\xdf" + struct.pack(">I", len(value)) + parts


def unpacked(frame):
    """What a frame holds, arrays as arrays."""
    value, end = _read(frame, 0)
    assert end == len(frame)
    return value


SIZES = {0xD9: ">B", 0xDA: ">H", 0xDB: ">I", 0xC4: ">B", 0xC5: ">H", 0xC6: ">I"}
SIZES |= {0xDC: ">H", 0xDD: ">I", 0xDE: ">H", 0xDF: ">I"}
NUMBERS = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q"}
NUMBERS |= {0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}


def _read(frame, at):
    first, at = frame[at], at + 1
    if first in CONSTANTS:
        return CONSTANTS[first], at
    if first < 0x80:
        return first, at
    if first >= 0xE0:
        return first - 0x100, at
    if first in NUMBERS:
        size = struct.calcsize(NUMBERS[first])
        return struct.unpack(NUMBERS[first], frame[at : at + size])[0], at + size
    if first in SIZES:
        size = struct.calcsize(SIZES[first])
        (count,), at = struct.unpack(SIZES[first], frame[at : at + size]), at + size
    else:
        count = first & (0x1F if first >= 0xA0 else 0x0F)
    if first in (0xC4, 0xC5, 0xC6):
        return frame[at : at + count], at + count
    if 0xA0 <= first <= 0xBF or first in (0xD9, 0xDA, 0xDB):
        return frame[at : at + count].decode(), at + count
    if 0x90 <= first <= 0x9F or first in (0xDC, 0xDD):
        items = []
        for _ in range(count):
            item, at = _read(frame, at)
            items.append(item)
        return items, at
    value = {}
    for _ in range(count):
        key, at = _read(frame, at)
        value[key], at = _read(frame, at)
    if value.get(b"__ndarray__"):
        array = np.frombuffer(value[b"data"], value[b"dtype"])
        return array.reshape(value[b"shape"]), at
    return value, at


@contextmanager
def openpi_server(infer, metadata=None):
    """Serves ``infer(observation)``; its address, and the observations that came.

    As theirs: metadata first, one request after the other, errors as a text and the end.
    """
    observations = []

    def handle(connection):
        connection.send(packed(metadata or {}))
        for frame in connection:
            observation = unpacked(frame)
            observations.append(observation)
            try:
                answer = infer(observation)
            except Exception as error:
                connection.send(f"Traceback: {error!r}")
                connection.close(1011)
                return
            connection.send(packed(answer))

    quiet = logging.getLogger("openpi server")
    quiet.propagate = False
    quiet.addHandler(logging.NullHandler())
    with serve(handle, "127.0.0.1", 0, compression=None, max_size=None, logger=quiet) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}", observations
        server.shutdown()
        thread.join(10)
