"""From image messages to RGB arrays; the only place where pixels leave ROS.

cv_bridge does the conversion where the distribution has it. Without it (ROS from wheels) the few
encodings that colour cameras publish are converted here. Every message is checked first, because
neither cv_bridge nor NumPy refuses a truncated or padded image with words a person understands.
"""

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from qwen_vla_core.errors import ObservationError

try:
    from cv_bridge import CvBridge
except (ImportError, AttributeError):  # AttributeError: built against NumPy 1, running with 2
    CvBridge = None

MAX_PIXELS = 16_000_000
"""Larger than any colour camera on a robot; refused before a byte is copied."""

_CHANNELS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "mono8": 1}
_TO_RGB = {
    "bgr8": cv2.COLOR_BGR2RGB,
    "rgba8": cv2.COLOR_RGBA2RGB,
    "mono8": cv2.COLOR_GRAY2RGB,
}


def rgb_from_image(message: Image, topic: str) -> np.ndarray:
    """uint8 RGB [H, W, 3] of a raw image; row padding is removed.

    Raises:
        ObservationError: encoding, size, row length or amount of data is unusable; the message
            names the topic and the encoding.
    """
    channels = _CHANNELS.get(message.encoding)
    if channels is None:
        raise ObservationError(
            f"{topic}: encoding '{message.encoding}' is not supported; "
            f"publish one of {', '.join(_CHANNELS)}, or give a depth camera its depth_range_m"
        )
    rows = pixel_rows(message, topic, channels)
    # cv_bridge takes rows for whole pixels and shears an image padded by anything else.
    if CvBridge is not None and message.step == message.width * channels:
        return np.array(CvBridge().imgmsg_to_cv2(message, desired_encoding="rgb8"))
    pixels = rows.reshape(message.height, message.width, channels)
    return (
        pixels.copy()
        if message.encoding == "rgb8"
        else cv2.cvtColor(pixels, _TO_RGB[message.encoding])
    )


def pixel_rows(message: Image, topic: str, bytes_per_pixel: int) -> np.ndarray:
    """The rows of a raw image without their padding, uint8 [H, width in bytes], not copied.

    Raises:
        ObservationError: size, row length or amount of data is unusable.
    """
    height, width, step = message.height, message.width, message.step
    what = f"{topic} ({message.encoding}): {width} x {height} pixels"
    if not 0 < height * width <= MAX_PIXELS:
        raise ObservationError(f"{what}; between 1 and {MAX_PIXELS} are accepted")
    if step < width * bytes_per_pixel or len(message.data) != step * height:
        raise ObservationError(
            f"{what} with rows of {step} bytes need {step * height} bytes in rows of at least "
            f"{width * bytes_per_pixel}; the message holds {len(message.data)}"
        )
    rows = np.frombuffer(message.data, dtype=np.uint8).reshape(height, step)
    return rows[:, : width * bytes_per_pixel]


def rgb_from_compressed(message: CompressedImage, topic: str) -> np.ndarray:
    """uint8 RGB [H, W, 3] of a JPEG or PNG image.

    Raises:
        ObservationError: the data is not an image of eight-bit colour, or far too large.
    """
    if not 0 < len(message.data) <= MAX_PIXELS:
        raise ObservationError(
            f"{topic} ({message.format}): {len(message.data)} bytes is not an image"
        )
    try:
        bgr = cv2.imdecode(np.frombuffer(message.data, dtype=np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise ObservationError(
            f"{topic} ({message.format}): cannot be decoded ({error})"
        ) from error
    if bgr is None:
        raise ObservationError(f"{topic} ({message.format}): cannot be decoded; send JPEG or PNG")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
