"""Camera messages as JPEG."""

import cv2
import numpy as np
import simplejpeg
from sensor_msgs.msg import CompressedImage, Image

from qwen_vla_core.embodiment.schema import Camera
from qwen_vla_ros.page.images import HANDED_ON_BYTES, LARGEST_PIXELS, jpeg_from_message

CAMERA = Camera(name="c", topic="c/image_raw", tag="ego", width=64, height=48, max_age_s=1.0)


def raw(image):
    height, width = image.shape[:2]
    return Image(height=height, width=width, encoding="rgb8", step=3 * width, data=image.tobytes())


def test_when_an_image_is_raw_expect_its_colours_and_a_size_for_a_browser():
    image = np.zeros((480, 1280, 3), dtype=np.uint8)
    image[:, :, 0] = 200
    jpeg = simplejpeg.decode_jpeg(jpeg_from_message(CAMERA, raw(image)))
    assert jpeg.shape == (240, LARGEST_PIXELS, 3)
    np.testing.assert_allclose(jpeg.mean(axis=(0, 1)), (200, 0, 0), atol=4)


def test_when_a_camera_compresses_expect_its_own_bytes_and_what_is_large_or_png_encoded_anew():
    camera = CAMERA.model_copy(update={"topic": "c/image_raw/compressed"})

    def make(message):
        return jpeg_from_message(camera, message)

    small = simplejpeg.encode_jpeg(np.full((48, 64, 3), 90, np.uint8), 90, "RGB", "420")
    assert make(CompressedImage(format="jpeg", data=small)) == small
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    large = simplejpeg.encode_jpeg(noise, 98, "RGB", "444")
    assert len(large) > HANDED_ON_BYTES
    assert make(CompressedImage(format="jpeg", data=large)) != large
    png = cv2.imencode(".png", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    assert make(CompressedImage(format="png", data=png)).startswith(b"\xff\xd8")
