"""Every encoding a colour camera sends becomes the same RGB image; the rest is refused."""

from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import Image

from qwen_vla_core.errors import ObservationError
from qwen_vla_core.images import ENCODINGS, MAX_PIXELS, rgb_from_image

BYTES = dict.fromkeys(ENCODINGS, 1) | {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4}
BYTES |= dict.fromkeys(("uyvy", "yuv422", "yuyv", "yuv422_yuy2"), 2)
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
        ("bgra8", np.dstack([RGB[..., ::-1], np.full(RGB.shape[:2], 9, np.uint8)]), RGB),
        ("mono8", RGB[..., :1], np.repeat(RGB[..., :1], 3, axis=2)),
    ],
)
def test_when_an_encoding_is_known_expect_the_same_rgb_whatever_the_padding(
    encoding, pixels, expected, padding
):
    np.testing.assert_array_equal(
        rgb_from_image(image(np.ascontiguousarray(pixels), encoding, padding), "/cam"), expected
    )


@pytest.mark.parametrize(
    "encoding", ["16UC1", "bayer_rggb16", "mono16", "8UC3", "nv24", "32FC1", "", "RGB8"]
)
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


def test_when_rgb_is_returned_expect_it_not_to_share_memory_with_the_message():
    message = image(RGB, "rgb8")
    rgb = rgb_from_image(message, "/cam")
    message.data[0] = (message.data[0] + 1) % 256
    np.testing.assert_array_equal(rgb, RGB)


# Y, U, V of full colours in BT.601, as cameras send them (ITU-R BT.601, 8 bits).
YUV = {(255, 0, 0): (81, 90, 240), (0, 255, 0): (145, 54, 34), (0, 0, 255): (41, 240, 110)}
YUV |= {(255, 255, 255): (235, 128, 128), (0, 0, 0): (16, 128, 128)}


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize(("colour", "yuv"), YUV.items())
@pytest.mark.parametrize("encoding", ["yuv422", "uyvy", "yuv422_yuy2", "yuyv", "nv12", "nv21"])
def test_when_a_camera_sends_brightness_and_colour_expect_its_rgb(encoding, colour, yuv, padding):
    y, u, v = yuv
    height, width = 4, 6
    if encoding in ("nv12", "nv21"):
        shared = [u, v] if encoding == "nv12" else [v, u]
        rows = [[y] * width] * height + [shared * (width // 2)] * (height // 2)
    else:
        pair = [u, y, v, y] if encoding in ("yuv422", "uyvy") else [y, u, y, v]
        rows = [pair * (width // 2)] * height
    message = image(np.array(rows, dtype=np.uint8)[..., None], encoding, padding)
    message.height, message.width = height, width
    rgb = rgb_from_image(message, "/cam")
    assert rgb.shape == (height, width, 3)
    np.testing.assert_allclose(rgb, np.broadcast_to(colour, rgb.shape), atol=2)


@pytest.mark.parametrize("encoding", ["yuv422", "yuv422_yuy2", "nv12", "nv21"])
def test_when_two_pixels_share_a_colour_and_one_has_no_neighbour_expect_refusal(encoding):
    message = image(np.zeros((4, 5, 2), np.uint8), encoding)
    with pytest.raises(ObservationError, match=rf"/cam \({encoding}\): 5 x 4 .* even"):
        rgb_from_image(message, "/cam")


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_when_the_sensors_mosaic_arrives_expect_its_colours(pattern, padding):
    colour = {"r": 200, "g": 100, "b": 30}
    tile = np.array([colour[letter] for letter in pattern], dtype=np.uint8).reshape(2, 2)
    message = image(np.tile(tile, (4, 5))[..., None], f"bayer_{pattern}8", padding)
    rgb = rgb_from_image(message, "/cam")
    np.testing.assert_array_equal(rgb, np.broadcast_to([200, 100, 30], (8, 10, 3)))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_when_a_message_is_cut_expect_refusal_in_every_encoding(encoding):
    message = image(np.zeros((4, 6, 4), np.uint8), encoding)
    message.data = message.data[:30]
    with pytest.raises(ObservationError, match=rf"/cam \({encoding}\)"):
        rgb_from_image(message, "/cam")


@given(st.sampled_from(ENCODINGS), st.integers(1, 5), st.integers(1, 5), st.integers(0, 3))
def test_when_an_image_has_a_few_pixels_expect_rgb_of_its_size_or_a_refusal(
    encoding, height, width, padding
):
    rows = height * 3 // 2 if encoding in ("nv12", "nv21") else height
    message = image(np.zeros((rows, width, BYTES[encoding]), np.uint8), encoding, padding)
    message.height = height
    try:
        rgb = rgb_from_image(message, "/cam")
    except ObservationError as refusal:
        assert "even" in str(refusal) and (height % 2 or width % 2)
    else:
        assert rgb.shape == (height, width, 3) and rgb.dtype == np.uint8
