"""A camera's images at the size at which the model sees them."""

import cv2
import numpy as np

from ..embodiment import Camera


def resize_view(image_HWC: np.ndarray, camera: Camera) -> np.ndarray:
    """uint8 RGB of any size to [height, width, 3] of the camera's view.

    Each pixel is the mean of the area it covers; of a depth view the nearest pixel, because the
    mean of two colours is a depth that nothing has.
    """
    if image_HWC.shape[:2] == (camera.height, camera.width):
        return image_HWC
    how = cv2.INTER_NEAREST if camera.is_depth else cv2.INTER_AREA
    return cv2.resize(image_HWC, (camera.width, camera.height), interpolation=how)
