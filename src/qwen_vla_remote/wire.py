"""openpi's frames: msgpack, with NumPy arrays as maps. Nothing is ever unpickled.

A frame comes from the network and may hold anything. It is refused as soon as it is deeper, has
more values, or claims more than it has; what is allocated for a claim is bounded by
``LONGEST``. An array is made only if its type, shape and length agree.
Format: openpi_client/msgpack_numpy.py of github.com/Physical-Intelligence/openpi.
"""

import math
from collections.abc import Sequence

import msgpack
import numpy as np

from qwen_vla_core.errors import RemoteError

REQUEST_BYTES = 16 * 2**20
"""Largest observation: three views of 1024 x 1024 with room; a stock client sends about 150 kB."""
ANSWER_BYTES = 4 * 2**20
"""Largest answer: a chunk of 1024 steps and 64 channels takes 0.25 MiB."""

MOST_VALUES = 10_000
"""Numbers, texts, keys and arrays in one frame. The metadata of a robot has a few hundred."""
LONGEST = 1024
"""Items of one list or map: as many as a robot has channels, or a server robots, and more."""
MOST_DIMENSIONS = 8

NUMBERS = frozenset(
    np.dtype(kind).newbyteorder(order).str
    for kind in ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
    for order in "<>"
)
"""How the types that are accepted are spelt. Others have no use here, and objects are pickles."""


def pack(value: object) -> bytes:
    """A frame of maps, lists, texts, numbers and arrays.

    Raises:
        RemoteError: an array is of another type than a number's.
    """
    return msgpack.packb(value, default=_pack_array)


def _pack_array(value: object) -> dict[bytes, object]:
    if not isinstance(value, np.ndarray | np.generic) or value.dtype.str not in NUMBERS:
        kind = getattr(value, "dtype", type(value).__name__)
        raise RemoteError(f"a value of type {kind} cannot be sent")
    if isinstance(value, np.ndarray):
        return {
            b"__ndarray__": True,
            b"data": np.ascontiguousarray(value).data,
            b"dtype": value.dtype.str,
            b"shape": value.shape,
        }
    return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}


def unpack(frame: bytes, most_bytes: int) -> object:
    """What a frame holds; arrays are views of it and cannot be written to.

    Args:
        most_bytes: a longer frame is refused unread.
    Raises:
        RemoteError: the frame is too long, damaged, or holds what no peer has to send.
    """
    if len(frame) > most_bytes:
        raise RemoteError(f"a frame of {len(frame)} bytes; the limit is {most_bytes}")
    reader = _Reader()
    try:
        return reader.checked(
            msgpack.unpackb(
                frame,
                object_pairs_hook=reader.on_map,
                list_hook=reader.on_list,
                ext_hook=_refuse,
                max_array_len=LONGEST,
                max_map_len=LONGEST,
            )
        )
    except (msgpack.UnpackException, ValueError, TypeError, RecursionError) as error:
        raise RemoteError(f"a damaged frame: {error or type(error).__name__}") from error


class _Reader:
    """What becomes of the lists and maps of one frame, the innermost first."""

    def __init__(self) -> None:
        self._values = 0

    def on_list(self, values: list) -> list:
        """Count and check the items."""
        self._count(len(values))
        for value in values:
            self.checked(value)
        return values

    def on_map(self, pairs: list[tuple]) -> object:
        """A map, or the array or number that it stands for."""
        self._count(2 * len(pairs))
        values = {}
        for key, value in pairs:
            if key in values:
                raise ValueError(f"{str(key)[:40]!r} twice")
            values[key] = self.checked(value)
        if b"__ndarray__" in values:
            return _array(values.get(b"data"), values.get(b"dtype"), values.get(b"shape"))
        if b"__npgeneric__" in values:
            return _dtype(values.get(b"dtype")).type(_number(values.get(b"data")))
        return values

    def checked(self, value: object) -> object:
        """The value, if it is of a kind that a peer sends."""
        if not isinstance(value, _KINDS):
            raise ValueError(f"a {type(value).__name__}")
        return value

    def _count(self, more: int) -> None:
        self._values += more
        if self._values > MOST_VALUES:
            raise ValueError(f"more than {MOST_VALUES} values")


_KINDS = (str, bytes, float, int, type(None), list, dict, np.ndarray, np.generic)


def _array(data: object, dtype: object, shape: object) -> np.ndarray:
    """The array, if type, shape and length agree."""
    kind = _dtype(dtype)
    if not isinstance(data, bytes) or not isinstance(shape, Sequence):
        raise ValueError("an array without data or shape")
    if len(shape) > MOST_DIMENSIONS or any(type(n) is not int or n < 0 for n in shape):
        raise ValueError(f"an array of shape {str(shape)[:80]}")
    if math.prod(shape) * kind.itemsize != len(data):
        raise ValueError(f"an array of shape {shape} and type {kind} in {len(data)} bytes")
    return np.ndarray(shape, kind, data)


def _dtype(name: object) -> np.dtype:
    if not isinstance(name, str) or name not in NUMBERS:
        raise ValueError(f"an array of type {str(name)[:40]!r}")
    return np.dtype(name)


def _number(value: object) -> float | int | bool:
    if not isinstance(value, float | int):
        raise ValueError("a number that is none")
    return value


def _refuse(code: int, data: bytes) -> object:
    raise ValueError(f"an extension type {code}")
