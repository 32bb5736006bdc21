"""Encoded images of an episode, and what they show."""

import cv2
import numpy as np

from qwen_vla_core.errors import QwenVlaError


def decode_image(data: bytes, what: str) -> np.ndarray:
    """uint8 RGB [H, W, 3] of a PNG or JPEG file.

    Args:
        what: whose image it is, for the error.
    Raises:
        QwenVlaError: it is damaged, or no image.
    """
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise QwenVlaError(f"{what} is damaged, or no image")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def encode_png(image_HWC: np.ndarray) -> bytes:
    """uint8 RGB as PNG: exact, and of flat colours no larger than JPEG (2.9 kB for 96 x 96)."""
    encoded, png = cv2.imencode(".png", cv2.cvtColor(image_HWC, cv2.COLOR_RGB2BGR))
    assert encoded
    return png.tobytes()
