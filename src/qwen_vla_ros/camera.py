"""A camera's topic as an image: which message it carries and how that becomes RGB."""

from collections.abc import Callable

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from qwen_vla_core.embodiment import Camera
from qwen_vla_core.observation import render_depth

from .compressed_images import rgb_from_compressed
from .depth_images import depth_from_compressed, depth_from_image
from .images import rgb_from_image


def message_type(camera: Camera) -> type:
    """The message type on the camera's topic."""
    return CompressedImage if camera.is_compressed else Image


def image_reader(camera: Camera) -> Callable[[Image | CompressedImage], np.ndarray]:
    """What turns the camera's messages into uint8 RGB [H, W, 3], depth into colours.

    It raises an ObservationError that names the topic and the encoding.
    """
    raw = message_type(camera) is Image
    if not camera.is_depth:
        convert = rgb_from_image if raw else rgb_from_compressed
        return lambda message: convert(message, camera.topic)
    measure = depth_from_image if raw else depth_from_compressed
    near_m, far_m = camera.depth_range_m
    return lambda message: render_depth(measure(message, camera.topic), near_m, far_m)
