"""Compressed images become RGB, or are refused: damaged, too large, or no colour of eight bits."""

import re
import struct
import time
import tracemalloc
import zlib
from array import array

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import CompressedImage

from png_bombs import png_bomb
from qwen_vla_core.errors import ObservationError
from qwen_vla_core.images import depth_from_compressed, rgb_from_compressed

NOISE = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
RGB = cv2.normalize(cv2.GaussianBlur(NOISE, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
BGR = np.ascontiguousarray(RGB[..., ::-1])
ALPHA = np.full((480, 640), 9, np.uint8)
RESTARTS = (cv2.IMWRITE_JPEG_RST_INTERVAL, 40)
SOUND = ([], RESTARTS, (cv2.IMWRITE_JPEG_PROGRESSIVE, 1))


def encode(suffix, pixels, *options):
    return cv2.imencode(suffix, pixels, options)[1].tobytes()


def decode(data, form="jpeg"):
    return rgb_from_compressed(CompressedImage(format=form, data=array("B", data)), "/cam")


# --- what publishers send


@pytest.mark.parametrize(
    "form", ["jpeg", "rgb8; jpeg compressed bgr8", "yuv422_yuy2; jpeg compressed bgr8", "jpg", ""]
)
@pytest.mark.parametrize("options", SOUND)
def test_when_a_jpeg_arrives_expect_its_rgb(form, options):
    difference = decode(encode(".jpg", BGR, *options), form).astype(int) - RGB
    assert np.abs(difference).mean() < 4


@pytest.mark.parametrize(
    ("form", "pixels"),
    [
        ("png", BGR),
        ("rgb8; png compressed bgr8", BGR),
        ("bgra8; png compressed ", np.dstack([BGR, ALPHA])),
        ("rgba8; png compressed bgr8", BGR),
    ],
)
def test_when_a_png_arrives_expect_its_rgb_without_transparency(form, pixels):
    np.testing.assert_array_equal(decode(encode(".png", pixels), form), RGB)


@pytest.mark.parametrize(("suffix", "tolerance"), [(".png", 0), (".jpg", 20)])
def test_when_it_is_grey_expect_three_equal_colours(suffix, tolerance):
    grey = decode(encode(suffix, RGB[..., 0]), f"mono8; {suffix[1:]} compressed ")
    assert (np.ptp(grey, axis=2) == 0).all()
    np.testing.assert_allclose(grey[..., 0].astype(int), RGB[..., 0], atol=tolerance)


def test_when_a_webcam_leaves_out_the_huffman_tables_expect_the_standard_ones():
    whole = encode(".jpg", BGR)
    start, bare = whole.index(b"\xff\xdb"), whole
    while (at := bare.find(b"\xff\xc4", start)) >= 0:
        bare = bare[:at] + bare[at + 2 + int.from_bytes(bare[at + 2 : at + 4], "big") :]
    assert len(bare) < len(whole) - 400
    np.testing.assert_array_equal(decode(bare), decode(whole))


def test_when_a_webcam_fills_with_a_few_bytes_before_its_markers_expect_the_image():
    whole = encode(".jpg", BGR, *RESTARTS)
    filled = re.sub(rb"(\xff[\xd0-\xd7])", b"\x00\\1", whole)
    assert len(filled) > len(whole) + 20
    np.testing.assert_array_equal(decode(filled), decode(whole))


def test_when_a_webcam_pads_behind_the_end_expect_the_image():
    whole = encode(".jpg", BGR)
    np.testing.assert_array_equal(decode(whole + bytes(1000)), decode(whole))


# --- damaged


@pytest.mark.parametrize("options", SOUND)
@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_when_the_end_of_a_jpeg_is_missing_expect_refusal(options, kept):
    whole = encode(".jpg", BGR, *options)
    with pytest.raises(ObservationError, match=r"/cam \(jpeg\): .* lost"):
        decode(whole[: int(kept * len(whole))])


def test_when_the_end_of_a_filled_jpeg_is_missing_expect_refusal():
    filled = re.sub(rb"(\xff[\xd0-\xd7])", b"\x00\\1", encode(".jpg", BGR, *RESTARTS))
    with pytest.raises(ObservationError, match="lost"):
        decode(filled[:-300])


@pytest.mark.parametrize("options", [[], RESTARTS])
@pytest.mark.parametrize("seed", range(20))
def test_when_a_packet_of_a_jpeg_is_missing_in_its_middle_expect_refusal(options, seed):
    whole = encode(".jpg", BGR, *options)
    at = int(np.random.default_rng(seed).integers(700, len(whole) - 1500))
    with pytest.raises(ObservationError, match="lost"):
        decode(whole[:at] + whole[at + 1400 :])


@pytest.mark.parametrize("seed", range(20))
def test_when_a_png_is_changed_or_cut_anywhere_expect_refusal(seed):
    whole = encode(".png", BGR)
    at = int(np.random.default_rng(seed).integers(40, len(whole) - 20))
    for data in (whole[:at], whole[:at] + whole[at + 9 :], whole[:at] + b"???" + whole[at + 3 :]):
        with pytest.raises(ObservationError, match=r"/cam \(png\)"):
            decode(data, "png")


@given(st.sampled_from([b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n"]), st.binary(max_size=200))
def test_when_compressed_data_is_garbage_expect_refusal_and_no_other_error(start, data):
    with pytest.raises(ObservationError, match="/cam"):
        decode(start + data)


SMALL = cv2.resize(BGR, (32, 24))
WHOLE = [encode(".jpg", SMALL, *options) for options in SOUND] + [encode(".png", SMALL)]


@given(
    st.sampled_from(WHOLE),
    st.lists(st.tuples(st.floats(0.0, 0.999), st.integers(0, 255)), min_size=1, max_size=5),
)
def test_when_bytes_are_changed_anywhere_expect_an_image_or_a_refusal_and_no_other_error(
    whole, changes
):
    data = bytearray(whole)
    for where, value in changes:
        data[int(where * len(data))] = value
    try:
        rgb = decode(bytes(data))
    except ObservationError as refusal:
        assert "/cam" in str(refusal)
    else:
        assert rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3


# --- no colour of eight bits


@pytest.mark.parametrize("channels", [1, 3])
def test_when_a_png_has_sixteen_bits_expect_refusal_that_names_them(channels):
    deep = encode(".png", np.full((4, 5, channels), 700, np.uint16))
    for form in ("png", "16UC1; png compressed ", "mono16; png compressed ", "rgb16; png"):
        with pytest.raises(ObservationError, match=r"/cam .* no colour of eight bits.*depth_ran"):
            decode(deep, form)


@pytest.mark.parametrize("source", ["16UC1", "32FC1", "mono16"])
def test_when_depth_was_cut_to_a_jpeg_of_eight_bits_expect_refusal_that_names_it(source):
    white = encode(".jpg", np.full((48, 64), 255, np.uint8))
    with pytest.raises(ObservationError, match=f"{source} is no colour of eight bits"):
        decode(white, f"{source}; jpeg compressed ")


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_when_the_sensors_mosaic_was_compressed_expect_refusal_and_what_to_publish(suffix):
    form = f"bayer_rggb8; {suffix[1:]} compressed "
    with pytest.raises(ObservationError, match="mosaic.*image_proc"):
        decode(encode(suffix, RGB[..., 0]), form)
    assert decode(encode(suffix, BGR), form + "bgr8").shape == RGB.shape


@pytest.mark.parametrize("data", [b"", b"RIFF\0\0\0\0WEBPVP8 ", b"qoif" + bytes(20)])
def test_when_it_is_neither_jpeg_nor_png_expect_what_to_set(data):
    with pytest.raises(ObservationError, match="neither JPEG nor PNG; set the publisher's format"):
        decode(data, "rgb8; webp compressed")


# --- too large


def refused_at_once(read):
    """The refusal, which took neither time nor memory."""
    tracemalloc.start()
    start_s = time.thread_time()
    with pytest.raises(ObservationError) as refusal:
        read()
    took_s, (_, peak) = time.thread_time() - start_s, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert took_s < 0.005
    assert peak < 4e6  # the message itself, copied, and nothing of what it unpacks to
    return str(refusal.value)


def test_when_a_png_unpacks_to_gigabytes_expect_refusal_from_its_header_alone():
    message = CompressedImage(format="png", data=array("B", png_bomb(20_000)))
    assert 200_000 < len(message.data) < 500_000
    assert "20000 x 20000 pixels" in refused_at_once(lambda: rgb_from_compressed(message, "/cam"))


@pytest.mark.parametrize("claimed", [2**31 - 1, 0x5A000100])
def test_when_a_part_of_a_png_claims_gigabytes_expect_refusal_before_there_is_room_for_it(claimed):
    data = bytearray(encode(".png", cv2.resize(BGR, (32, 24))))
    behind_header = 8 + 25
    data[behind_header : behind_header + 4] = claimed.to_bytes(4, "big")
    message = CompressedImage(format="png", data=array("B", data))
    assert "missing" in refused_at_once(lambda: rgb_from_compressed(message, "/cam"))


def test_when_a_png_has_parts_without_end_expect_refusal():
    empty = struct.pack(">I4sI", 0, b"tEXt", zlib.crc32(b"tEXt"))
    whole = encode(".png", BGR)
    with pytest.raises(ObservationError, match="damaged"):
        decode(whole[:33] + empty * 100_000 + whole[33:], "png")


def test_when_depth_unpacks_to_gigabytes_expect_refusal_from_its_header_alone():
    data = bytes(12) + png_bomb(10_000, bits=16)
    message = CompressedImage(format="16UC1; compressedDepth png", data=array("B", data))
    assert "10000 x 10000" in refused_at_once(lambda: depth_from_compressed(message, "/depth"))


def test_when_a_jpeg_claims_to_be_enormous_expect_refusal_from_its_header_alone():
    data = bytearray(encode(".jpg", BGR))
    size = data.index(b"\xff\xc0") + 5
    data[size : size + 4] = struct.pack(">HH", 60_000, 60_000)
    message = CompressedImage(format="jpeg", data=array("B", data))
    assert "60000 x 60000 pixels" in refused_at_once(lambda: rgb_from_compressed(message, "/cam"))


def test_when_a_jpeg_passes_over_its_image_without_end_expect_refusal():
    whole = encode(".jpg", BGR, *SOUND[2])
    last = whole.rindex(b"\xff\xda")
    with pytest.raises(ObservationError, match="scans"):
        decode(whole[:-2] + whole[last:-2] * 100 + whole[-2:])
