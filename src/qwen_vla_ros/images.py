"""From raw image messages to RGB arrays.

cv_bridge converts what it supports, where it is installed; without it (ROS from wheels) the
same OpenCV is called here. Every message is checked first, because neither of the two refuses a
truncated or padded image with words a person understands.
"""

import cv2
import numpy as np
from sensor_msgs.msg import Image

from qwen_vla_core.errors import ObservationError

from .image_size import check_size

try:
    from cv_bridge import CvBridge
except (ImportError, AttributeError):  # AttributeError: built against NumPy 1, running with 2
    CvBridge = None

_PACKED = {
    "rgb8": (3, None),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
    "uyvy": (2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422": (2, cv2.COLOR_YUV2RGB_UYVY),
    "yuyv": (2, cv2.COLOR_YUV2RGB_YUY2),
    "yuv422_yuy2": (2, cv2.COLOR_YUV2RGB_YUY2),
    "bayer_rggb8": (1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": (1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": (1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": (1, cv2.COLOR_BayerGB2RGB),
}
"""Bytes a pixel, and OpenCV's conversion, which names a Bayer pattern after its second row.
Names and layouts: sensor_msgs/image_encodings.hpp."""

_PLANAR = {"nv12": cv2.COLOR_YUV2RGB_NV12, "nv21": cv2.COLOR_YUV2RGB_NV21}
"""Brightness [height, width], then colours of half the height."""

ENCODINGS = (*_PACKED, *_PLANAR)

_BRIDGED = {name for name in _PACKED if name[-1] == "8"}
"""What cv_bridge converts to rgb8 on Humble and Jazzy alike; the names of YUV differ."""


def rgb_from_image(message: Image, topic: str) -> np.ndarray:
    """uint8 RGB [H, W, 3] of a raw image; row padding is removed, one grey is three equal colours.

    Sixteen bits are refused: whether white is 1023, 4095 or 65535 is nowhere said.

    Raises:
        ObservationError: encoding, size, row length or amount of data is unusable; the message
            names the topic and the encoding.
    """
    encoding, height, width = message.encoding, message.height, message.width
    if encoding in _PLANAR:
        if height % 2 or width % 2:
            raise _odd(message, topic)
        rows = pixel_rows(message, topic, 1, rows=height * 3 // 2)
        return cv2.cvtColor(np.ascontiguousarray(rows), _PLANAR[encoding])
    if encoding not in _PACKED:
        raise ObservationError(
            f"{topic}: encoding '{encoding}' is not supported; "
            f"publish one of {', '.join(ENCODINGS)}, or give a depth camera its depth_range_m"
        )
    channels, conversion = _PACKED[encoding]
    if channels == 2 and width % 2:
        raise _odd(message, topic)
    pixels = pixel_rows(message, topic, channels).reshape(height, width, channels)
    # cv_bridge takes rows for whole pixels and shears an image padded by anything else.
    if CvBridge is not None and encoding in _BRIDGED and message.step == width * channels:
        return np.array(CvBridge().imgmsg_to_cv2(message, desired_encoding="rgb8"))
    if conversion is None:
        return pixels.copy()
    return cv2.cvtColor(pixels, conversion)


def pixel_rows(
    message: Image, topic: str, bytes_per_pixel: int, rows: int | None = None
) -> np.ndarray:
    """The rows of a raw image without their padding, uint8 [rows, width in bytes], not copied.

    Args:
        rows: how many there are, where they are not as many as the image is high.
    Raises:
        ObservationError: size, row length or amount of data is unusable.
    """
    height, width, step = message.height, message.width, message.step
    what = f"{topic} ({message.encoding})"
    check_size(width, height, what)
    rows = height if rows is None else rows
    if step < width * bytes_per_pixel or len(message.data) != step * rows:
        raise ObservationError(
            f"{what}: {width} x {height} pixels with rows of {step} bytes need {step * rows} "
            f"bytes in rows of at least {width * bytes_per_pixel}; the message holds "
            f"{len(message.data)}"
        )
    data = np.frombuffer(message.data, dtype=np.uint8).reshape(rows, step)
    return data[:, : width * bytes_per_pixel]


def _odd(message: Image, topic: str) -> ObservationError:
    return ObservationError(
        f"{topic} ({message.encoding}): {message.width} x {message.height} pixels; two neighbours "
        "share a colour, so that the sides must be even"
    )
