"""Images as a backend wants them."""

import cv2
import numpy as np

from .schema import Images


def fit_image(image_HWC: np.ndarray, images: Images) -> np.ndarray:
    """uint8 RGB of any size as the backend's array, [height, width, 3] or [3, height, width]."""
    fitted = image_HWC
    if image_HWC.shape[:2] != (images.height, images.width):
        fitted = (
            _padded(image_HWC, images)
            if images.fit == "pad"
            else _resized(image_HWC, images.width, images.height)
        )
    if images.layout == "channels_first":
        fitted = np.moveaxis(fitted, 2, 0)
    return np.ascontiguousarray(fitted)


def _padded(image_HWC: np.ndarray, images: Images) -> np.ndarray:
    """In its proportions, in the middle of black: openpi's image_tools.resize_with_pad."""
    height, width = image_HWC.shape[:2]
    ratio = max(width / images.width, height / images.height)
    inner = _resized(image_HWC, int(width / ratio), int(height / ratio))
    fitted = np.zeros((images.height, images.width, 3), np.uint8)
    top, left = (images.height - inner.shape[0]) // 2, (images.width - inner.shape[1]) // 2
    fitted[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return fitted


def _resized(image_HWC: np.ndarray, width: int, height: int) -> np.ndarray:
    smaller = width * height < image_HWC.shape[0] * image_HWC.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(image_HWC, (width, height), interpolation=how)
