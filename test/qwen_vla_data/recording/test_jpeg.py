"""What becomes of a raw image on its way into a recording."""

import cv2
import numpy as np
import pytest

from qwen_vla_core.images import rgb_from_compressed
from qwen_vla_data.recording.jpeg import as_jpeg
from qwen_vla_data.recording.schemas import decode, typestore
from qwen_vla_data.recording.topics import COMPRESSED_IMAGE, IMAGE, RecordedTopic

TOPIC = RecordedTopic(name="wrist/image_raw", type=IMAGE, image=True)
ROWS, COLUMNS = np.mgrid[:48, :64]
RGB = np.stack([COLUMNS * 3, ROWS * 4, 255 - COLUMNS * 3], axis=-1).astype(np.uint8)
RGBA = np.concatenate([RGB, np.full((48, 64, 1), 7, np.uint8)], axis=-1)
GREY = RGB[..., 0]
LOST = 6.0
"""Mean difference by JPEG with halved colours, of 255; swapped colours differ by 100."""


def raw_image(encoding, rows, step, frame_id="wrist"):
    types = typestore().types
    stamp = types["builtin_interfaces/msg/Time"](sec=5, nanosec=7)
    message = types[IMAGE](
        header=types["std_msgs/msg/Header"](stamp=stamp, frame_id=frame_id),
        height=48,
        width=64,
        encoding=encoding,
        is_bigendian=0,
        step=step,
        data=np.ascontiguousarray(rows).reshape(-1),
    )
    return bytes(typestore().serialize_cdr(message, IMAGE))


@pytest.mark.parametrize(
    ("encoding", "rows", "step", "shown"),
    [
        ("rgb8", RGB, 192, RGB),
        ("bgr8", RGB[..., ::-1], 192, RGB),
        ("rgba8", RGBA, 256, RGB),
        ("bgra8", cv2.cvtColor(RGBA, cv2.COLOR_RGBA2BGRA), 256, RGB),
        ("mono8", GREY, 64, np.stack([GREY] * 3, axis=-1)),
        ("rgb8", np.pad(RGB.reshape(48, 192), ((0, 0), (0, 8))), 200, RGB),  # padded rows
    ],
    ids=["rgb8", "bgr8", "rgba8", "bgra8", "mono8", "padded"],
)
def test_when_a_raw_image_is_recorded_expect_a_jpeg_of_the_same_colours_and_stamp(
    encoding, rows, step, shown
):
    topic, data = as_jpeg(TOPIC, raw_image(encoding, rows, step))
    assert topic.type == COMPRESSED_IMAGE
    message = decode(data, COMPRESSED_IMAGE)
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (5, 7)
    seen = rgb_from_compressed(message, TOPIC.name).astype(float)
    assert np.abs(seen - shown).mean() < LOST


@pytest.mark.parametrize("frame_id", ["", "w", "wr", "wri", "wris", "camera, Würfel"])
def test_when_an_image_is_compressed_expect_the_bytes_that_the_message_library_writes(frame_id):
    _, data = as_jpeg(TOPIC, raw_image("rgb8", RGB, 192, frame_id))
    message = decode(data, COMPRESSED_IMAGE)
    assert message.header.frame_id == frame_id
    assert message.format == "rgb8; jpeg compressed bgr8"
    assert data == bytes(typestore().serialize_cdr(message, COMPRESSED_IMAGE))


@pytest.mark.parametrize(
    ("encoding", "step"), [("rgb8", 100), ("16UC1", 128), ("bgr8", 256)], ids=str
)
def test_when_an_image_is_depth_or_broken_expect_it_recorded_as_it_is(encoding, step):
    data = raw_image(encoding, RGB, step)
    assert as_jpeg(TOPIC, data) == (TOPIC, data)
