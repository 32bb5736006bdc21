"""Camera messages as JPEG for a browser."""

import cv2
import numpy as np
import simplejpeg
from sensor_msgs.msg import CompressedImage, Image

from qwen_vla_core.embodiment import Camera
from qwen_vla_core.images import image_from_message

from ..images import rgb_from_image

LARGEST_PIXELS = 640
"""Width to which larger images are reduced."""
QUALITY = 80
HANDED_ON_BYTES = 150_000
"""A camera's own JPEG of at most this size goes to the browser as it is."""
JPEG_START = b"\xff\xd8\xff"


def jpeg_from_message(camera: Camera, message: Image | CompressedImage) -> bytes:
    """A camera's message as JPEG, no wider than ``LARGEST_PIXELS``; depth in colours.

    Raises:
        ObservationError: it is unusable; the message names the topic and the encoding.
    """
    if isinstance(message, CompressedImage) and not camera.is_depth:
        data = bytes(message.data)
        if data.startswith(JPEG_START) and len(data) <= HANDED_ON_BYTES:
            return data
    image = image_from_message(camera, message, rgb_from_image)
    height, width = image.shape[:2]
    if width > LARGEST_PIXELS:
        size = LARGEST_PIXELS, max(1, round(height * LARGEST_PIXELS / width))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return simplejpeg.encode_jpeg(np.ascontiguousarray(image), QUALITY, "RGB", "420")
