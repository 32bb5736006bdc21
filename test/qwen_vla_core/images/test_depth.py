"""Depth messages become metres and then colours, or an error with topic and encoding."""

import struct
from array import array

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import CompressedImage, Image

from qwen_vla_core.embodiment import parse_embodiment
from qwen_vla_core.errors import ObservationError
from qwen_vla_core.images import (
    MAX_PIXELS,
    depth_from_compressed,
    depth_from_image,
    image_from_message,
)
from robots import widowx_text

MILLIMETRES = np.random.default_rng(0).integers(0, 5000, (5, 7), dtype=np.uint16)
METRES = (MILLIMETRES / 1000.0).astype(np.float32)


def image(pixels, encoding, padding=0, big=False):
    """A raw message, its rows padded."""
    pixels = pixels.astype(pixels.dtype.newbyteorder(">" if big else "<"))
    rows = pixels.view(np.uint8).reshape(len(pixels), -1)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    height, width = pixels.shape
    message = Image(height=height, width=width, encoding=encoding, step=padded.shape[1])
    message.is_bigendian = int(big)
    message.data = array("B", padded.tobytes())
    return message


def compressed(pixels, form, a=0.0, b=0.0):
    """A compressedDepth message: header, then PNG."""
    data = struct.pack("<iff", 0, a, b) + cv2.imencode(".png", pixels)[1].tobytes()
    return CompressedImage(format=form, data=array("B", data))


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize(("encoding", "pixels"), [("16UC1", MILLIMETRES), ("32FC1", METRES)])
def test_when_depth_arrives_raw_expect_metres_whatever_the_padding(encoding, pixels, padding, big):
    metres = depth_from_image(image(pixels, encoding, padding, big), "/depth")
    assert metres.dtype == np.float32
    np.testing.assert_array_equal(metres, METRES)


def test_when_depth_is_not_finite_expect_it_as_it_is():
    strange = np.array([[np.nan, np.inf, -np.inf, 0.0]], dtype=np.float32)
    np.testing.assert_array_equal(depth_from_image(image(strange, "32FC1"), "/depth"), strange)


@pytest.mark.parametrize("form", ["16UC1; compressedDepth png", "16UC1; compressedDepth", "16UC1"])
def test_when_millimetres_arrive_compressed_expect_metres(form):
    metres = depth_from_compressed(compressed(MILLIMETRES, form), "/depth")
    np.testing.assert_array_equal(metres, METRES)


def test_when_metres_arrive_quantised_expect_them_back_to_the_quantisation():
    # The publisher's formula and defaults: quantisation 100, at most 10 m; depth = a / (q - b).
    a, b = 100.0 * 101.0, 1.0 - 100.0 * 101.0 / 10.0
    measured = METRES > 0.2
    quantised = np.where(measured, a / np.maximum(METRES, 0.1) + b, 0).astype(np.uint16)
    metres = depth_from_compressed(
        compressed(quantised, "32FC1; compressedDepth png", a, b), "/depth"
    )
    np.testing.assert_allclose(metres[measured], METRES[measured], atol=3e-3)
    assert np.isnan(metres[~measured]).all()


@pytest.mark.parametrize("encoding", ["rgb8", "mono16", "64FC1", ""])
def test_when_the_encoding_is_no_depth_expect_topic_and_encoding_in_the_refusal(encoding):
    for message, decode in (
        (image(MILLIMETRES, encoding), depth_from_image),
        (compressed(MILLIMETRES, f"{encoding}; compressedDepth png"), depth_from_compressed),
    ):
        with pytest.raises(ObservationError, match=f"/depth: encoding '{encoding}' is no depth"):
            decode(message, "/depth")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (compressed(MILLIMETRES, "16UC1; compressedDepth rvl"), "format to png"),
        (compressed(MILLIMETRES.astype(np.uint8), "16UC1; compressedDepth png"), "16 bits"),
        (CompressedImage(format="16UC1", data=array("B", bytes(12))), "0 bytes that are no PNG"),
    ],
)
def test_when_a_compressed_depth_cannot_be_read_expect_the_reason(message, words):
    with pytest.raises(ObservationError, match=f"/depth .*{words}"):
        depth_from_compressed(message, "/depth")


@pytest.mark.parametrize(
    ("width", "height", "step"), [(7, 5, 13), (7, 4, 14), (0, 0, 0), (60_000, 60_000, 120_000)]
)
def test_when_sizes_do_not_fit_expect_refusal_by_topic(width, height, step):
    message = image(MILLIMETRES, "16UC1")
    message.width, message.height, message.step = width, height, step
    with pytest.raises(ObservationError, match=r"/depth \(16UC1\)"):
        depth_from_image(message, "/depth")


@given(st.binary(max_size=200), st.sampled_from(["16UC1", "32FC1"]))
def test_when_compressed_data_is_garbage_expect_refusal_and_no_other_error(data, encoding):
    message = CompressedImage(format=f"{encoding}; compressedDepth png", data=array("B", data))
    with pytest.raises(ObservationError, match="/depth"):
        depth_from_compressed(message, "/depth")


def camera(*changes):
    """The WidowX's first camera with parts of its description replaced."""
    text = widowx_text()
    for old, new in changes:
        text = text.replace(old, new, 1)
    return parse_embodiment(text, "robot.yaml").cameras[0]


DEPTH = ("tag: ego\n", "tag: ego_depth\n    depth_range_m: [0.2, 2]\n")


@pytest.mark.parametrize(
    ("changes", "message", "kind"),
    [
        ((), Image, "rgb"),
        ((("blue/image_raw", "blue/image_raw/compressed"),), CompressedImage, "rgb"),
        ((DEPTH,), Image, "depth"),
        ((DEPTH, ("blue/image_raw", "blue/compressedDepth")), CompressedImage, "depth"),
    ],
)
def test_when_a_camera_is_described_expect_its_messages_to_become_an_image(changes, message, kind):
    seen = camera(*changes)
    assert seen.is_compressed == (message is CompressedImage)
    if kind == "depth":
        sent = (
            image(MILLIMETRES, "16UC1")
            if message is Image
            else compressed(MILLIMETRES, "16UC1; compressedDepth png")
        )
    elif message is Image:
        sent = image(np.repeat(MILLIMETRES.astype(np.uint8), 3, axis=1), "rgb8")
        sent.width //= 3
    else:
        png = cv2.imencode(".png", np.zeros((5, 7, 3), np.uint8))[1].tobytes()
        sent = CompressedImage(format="png", data=array("B", png))
    seen_image = image_from_message(seen, sent)
    assert seen_image.shape == (5, 7, 3) and seen_image.dtype == np.uint8


def test_when_a_depth_camera_sends_colour_expect_what_to_change():
    with pytest.raises(ObservationError, match="take depth_range_m out"):
        image_from_message(camera(DEPTH), image(MILLIMETRES, "rgb8"))
    with pytest.raises(ObservationError, match="give a depth camera its depth_range_m"):
        image_from_message(camera(), image(MILLIMETRES, "16UC1"))


def test_when_an_image_is_enormous_expect_refusal_before_any_copy():
    message = Image(width=MAX_PIXELS + 1, height=1, encoding="16UC1", step=2 * MAX_PIXELS + 2)
    with pytest.raises(ObservationError, match=str(MAX_PIXELS)):
        depth_from_image(message, "/depth")
