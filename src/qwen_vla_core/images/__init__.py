"""From image messages to RGB arrays, whoever decoded the messages: rclpy or rosbags.

A message is known by its fields: sensor_msgs/Image has an ``encoding``, CompressedImage a
``format``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..embodiment import Camera
from .compressed import rgb_from_compressed
from .depth import depth_from_compressed, depth_from_image
from .raw import ENCODINGS, pixel_rows, rgb_from_image
from .render_depth import render_depth
from .size import MAX_BYTES, MAX_PIXELS


def image_from_message(
    camera: Camera, message: Any, rgb: Callable[[Any, str], np.ndarray] = rgb_from_image
) -> np.ndarray:
    """uint8 RGB [H, W, 3] of a camera's message, depth in colours.

    Args:
        rgb: what converts a raw image of a colour camera.
    Raises:
        ObservationError: it is unusable; the message names the topic and the encoding.
    """
    raw = hasattr(message, "encoding")
    if not camera.is_depth:
        return (rgb if raw else rgb_from_compressed)(message, camera.topic)
    measure = depth_from_image if raw else depth_from_compressed
    return render_depth(measure(message, camera.topic), *camera.depth_range_m)


__all__ = [
    "ENCODINGS",
    "MAX_BYTES",
    "MAX_PIXELS",
    "depth_from_compressed",
    "depth_from_image",
    "image_from_message",
    "pixel_rows",
    "render_depth",
    "rgb_from_compressed",
    "rgb_from_image",
]
