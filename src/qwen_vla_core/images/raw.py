"""From raw image messages (sensor_msgs/Image, by its fields) to RGB arrays.

Every message is checked first: neither OpenCV nor cv_bridge refuses a truncated or padded image
with words a person understands.
"""

from typing import Any

import cv2
import numpy as np

from ..errors import ObservationError
from .size import check_size

PACKED = {
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

ENCODINGS = (*PACKED, *_PLANAR)


def rgb_from_image(message: Any, topic: str) -> np.ndarray:
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
    if encoding not in PACKED:
        raise ObservationError(
            f"{topic}: encoding '{encoding}' is not supported; "
            f"publish one of {', '.join(ENCODINGS)}, or give a depth camera its depth_range_m"
        )
    channels, conversion = PACKED[encoding]
    if channels == 2 and width % 2:
        raise _odd(message, topic)
    pixels = pixel_rows(message, topic, channels).reshape(height, width, channels)
    if conversion is None:
        return pixels.copy()
    return cv2.cvtColor(pixels, conversion)


def pixel_rows(
    message: Any, topic: str, bytes_per_pixel: int, rows: int | None = None
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


def _odd(message: Any, topic: str) -> ObservationError:
    return ObservationError(
        f"{topic} ({message.encoding}): {message.width} x {message.height} pixels; two neighbours "
        "share a colour, so that the sides must be even"
    )
