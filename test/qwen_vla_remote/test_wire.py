"""openpi's frames: the stock client's bytes, and nothing from a damaged or hostile one.

The bytes are written out here from the description of the format, not by our own code.
"""

import pickle
import tracemalloc

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vla_core.errors import RemoteError
from qwen_vla_remote.wire import ANSWER_BYTES, MOST_VALUES, pack, unpack

# A map of 4: __ndarray__ true, data (6 bytes), dtype "<i2", shape [3]; keys are bytes.
THREE_INTS = (
    b"\x84\xc4\x0b__ndarray__\xc3\xc4\x04data\xc4\x06\x01\x00\x02\x00\xff\xff"
    b"\xc4\x05dtype\xa3<i2\xc4\x05shape\x91\x03"
)
# A map of 3: __npgeneric__ true, data 1.5, dtype "<f4".
ONE_FLOAT = (
    b"\x83\xc4\x0d__npgeneric__\xc3\xc4\x04data\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"
    b"\xc4\x05dtype\xa3<f4"
)


def test_when_an_array_is_packed_expect_the_bytes_of_the_stock_client():
    assert pack(np.array([1, 2, -1], "<i2")) == THREE_INTS
    assert pack({"a": np.float32(1.5)}) == b"\x81\xa1a" + ONE_FLOAT


def test_when_bytes_of_the_stock_client_are_read_expect_the_array():
    array = unpack(THREE_INTS, 1000)
    assert array.dtype == np.int16 and array.tolist() == [1, 2, -1]
    assert unpack(ONE_FLOAT, 1000) == 1.5


def test_when_an_array_is_not_contiguous_expect_its_values_in_c_order():
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4).transpose(2, 0, 1)
    np.testing.assert_array_equal(unpack(pack(array), 1000), array)


def ndarray(**changed):
    """A map that calls itself an array."""
    parts = {"data": b"\0" * 12, "dtype": "<f4", "shape": [3]} | changed
    return msgpack.packb({b"__ndarray__": True, **{k.encode(): v for k, v in parts.items()}})


@pytest.mark.parametrize(
    "frame",
    [
        ndarray(dtype="|O", data=bytes(24)),
        ndarray(dtype="<U1"),
        ndarray(dtype="|S4"),
        ndarray(dtype="|V4"),
        ndarray(dtype="<M8[s]", data=bytes(24)),
        ndarray(dtype="<c8", data=bytes(24)),
        ndarray(dtype="<f4,<f4", data=bytes(24)),
        ndarray(dtype=[["a", "<f4"]]),
        ndarray(dtype=7),
        ndarray(shape=[4]),
        ndarray(shape=[-1, -3]),
        ndarray(shape=[2**62, 2**62]),
        ndarray(shape=[0, 2**62]),
        ndarray(shape=[3.0]),
        ndarray(shape=[True, 3]),
        ndarray(shape=[1] * 9 + [3]),
        ndarray(shape=3),
        ndarray(data="abcdefghijkl"),
        ndarray(data=None),
        msgpack.packb({b"__ndarray__": True}),
        msgpack.packb({b"__npgeneric__": True, b"dtype": "<f4", b"data": "x"}),
        msgpack.packb({b"__npgeneric__": True, b"dtype": "<f4", b"data": [1]}),
        msgpack.packb({1: 2}),
        b"\x82\xa1a\x01\xa1a\x02",  # a key twice
        msgpack.packb(msgpack.ExtType(5, b"x")),
        msgpack.packb(msgpack.Timestamp(1, 1)),
        pickle.dumps({"a": 1}),
        b"",
        b"\xc1",  # never used in msgpack
        b"\xa2\xff\xff",  # no UTF-8
        THREE_INTS[:-1],
        THREE_INTS + b"\x00",
        b"\xdd\xff\xff\xff\xff",  # claims four thousand million values
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",  # claims four gigabytes
        b"\x91" * 5000,
        b"\xdc\xff\xff" + b"\x80" * 65535,
    ],
)
def test_when_a_frame_holds_what_no_peer_sends_expect_it_to_be_refused(frame):
    with pytest.raises(RemoteError, match="damaged frame"):
        unpack(frame, ANSWER_BYTES)


def test_when_a_frame_is_longer_than_allowed_expect_it_to_be_refused_unread():
    with pytest.raises(RemoteError, match="the limit is 10"):
        unpack(bytes(11), 10)


def test_when_a_frame_is_made_of_a_million_empty_maps_expect_no_memory_for_them():
    frame = b"\xdd\x00\x0f\x42\x40" + b"\x80" * 1_000_000
    assert peak_of_refusal(frame, "1000000 exceeds") < 3 * len(frame)


def test_when_a_frame_is_made_of_lists_of_empty_maps_expect_refusal_at_so_many_values():
    frame = (b"\xdc\x04\x00" + (b"\xdc\x04\x00" + b"\x80" * 1024) * 1024) * 2
    assert peak_of_refusal(frame, f"more than {MOST_VALUES} values") < 3 * len(frame)


def test_when_a_small_frame_claims_long_lists_at_every_depth_expect_a_bounded_price():
    assert peak_of_refusal(b"\xdc\x04\x00" * 5000, "damaged frame") < 16 * 2**20


def peak_of_refusal(frame, words):
    """Bytes that were allocated until a frame was refused."""
    tracemalloc.start()
    with pytest.raises(RemoteError, match=words):
        unpack(frame, ANSWER_BYTES)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("value", [np.array([None]), np.array([1j]), np.array(["x"]), object()])
def test_when_something_else_than_numbers_is_packed_expect_refusal(value):
    with pytest.raises(RemoteError, match="cannot be sent"):
        pack(value)


@given(st.binary(max_size=300))
def test_when_a_frame_is_any_bytes_expect_a_value_or_a_refusal(frame):
    try:
        unpack(frame, 1000)
    except RemoteError as refusal:
        assert str(refusal)


@settings(max_examples=300)
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_when_one_byte_of_a_request_is_another_expect_a_value_or_a_refusal(at, byte):
    frame = bytearray(
        pack({"images": {"a": np.zeros((4, 4, 3), np.uint8)}, "state": np.zeros(7), "prompt": "x"})
    )
    frame[at % len(frame)] = byte
    try:
        unpack(bytes(frame), 1000)
    except RemoteError as refusal:
        assert str(refusal)
