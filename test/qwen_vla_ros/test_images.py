"""Every encoding a colour camera sends becomes the same RGB image; the rest is refused."""

from array import array

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import CompressedImage, Image

from qwen_vla_core.errors import ObservationError
from qwen_vla_ros.images import MAX_PIXELS, rgb_from_compressed, rgb_from_image

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def image(pixels: np.ndarray, encoding: str, padding: int = 0) -> Image:
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    message = Image(height=height, width=width, encoding=encoding, step=padded.shape[1])
    message.data = array("B", padded.tobytes())
    return message


@pytest.mark.parametrize("padding", [0, 1, 11])
@pytest.mark.parametrize(
    ("encoding", "pixels", "expected"),
    [
        ("rgb8", RGB, RGB),
        ("bgr8", RGB[..., ::-1], RGB),
        ("rgba8", np.dstack([RGB, np.full(RGB.shape[:2], 9, np.uint8)]), RGB),
        ("mono8", RGB[..., :1], np.repeat(RGB[..., :1], 3, axis=2)),
    ],
)
def test_when_an_encoding_is_known_expect_the_same_rgb_whatever_the_padding(
    encoding, pixels, expected, padding
):
    np.testing.assert_array_equal(
        rgb_from_image(image(np.ascontiguousarray(pixels), encoding, padding), "/cam"), expected
    )


@pytest.mark.parametrize("encoding", ["16UC1", "bayer_rggb8", "yuv422", "32FC1", "", "RGB8"])
def test_when_an_encoding_is_unknown_expect_topic_and_encoding_in_the_refusal(encoding):
    with pytest.raises(ObservationError, match=rf"/wrist/image_raw: encoding '{encoding}'"):
        rgb_from_image(image(RGB, encoding), "/wrist/image_raw")


@pytest.mark.parametrize("change", [-1, +1, -100])
def test_when_data_is_truncated_or_too_long_expect_refusal_by_topic(change):
    message = image(RGB, "rgb8")
    data = bytes(message.data)
    message.data = array("B", data[:change] if change < 0 else data + b"x" * change)
    with pytest.raises(ObservationError, match="/cam"):
        rgb_from_image(message, "/cam")


def test_when_rows_are_shorter_than_the_width_expect_refusal():
    message = image(RGB, "rgb8")
    message.step = 3
    with pytest.raises(ObservationError, match="rows"):
        rgb_from_image(message, "/cam")


@pytest.mark.parametrize(("width", "height"), [(0, 0), (0, 5), (100_000, 100_000)])
def test_when_an_image_is_empty_or_enormous_expect_refusal_before_any_copy(width, height):
    message = Image(width=width, height=height, encoding="rgb8", step=width * 3)
    with pytest.raises(ObservationError, match=str(MAX_PIXELS)):
        rgb_from_image(message, "/cam")


@pytest.mark.parametrize(("suffix", "tolerance"), [(".png", 0), (".jpg", 60)])
def test_when_a_compressed_image_arrives_expect_its_rgb(suffix, tolerance):
    smooth = cv2.resize(RGB, (64, 48), interpolation=cv2.INTER_CUBIC)
    encoded = cv2.imencode(suffix, smooth[..., ::-1])[1]
    message = CompressedImage(format=suffix[1:], data=array("B", encoded.tobytes()))
    difference = rgb_from_compressed(message, "/cam").astype(int) - smooth
    assert np.abs(difference).max() <= tolerance


@given(st.binary(max_size=200))
def test_when_compressed_data_is_garbage_expect_refusal_and_no_other_error(data):
    with pytest.raises(ObservationError, match="/cam"):
        rgb_from_compressed(CompressedImage(format="jpeg", data=array("B", data)), "/cam")


def test_when_rgb_is_returned_expect_it_not_to_share_memory_with_the_message():
    message = image(RGB, "rgb8")
    rgb = rgb_from_image(message, "/cam")
    message.data[0] = (message.data[0] + 1) % 256
    np.testing.assert_array_equal(rgb, RGB)
