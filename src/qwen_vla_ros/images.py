"""Raw images by cv_bridge where a distribution brings it; ROS from wheels has none."""

import numpy as np
from sensor_msgs.msg import Image

from qwen_vla_core.images import raw

try:
    from cv_bridge import CvBridge
except (ImportError, AttributeError):  # AttributeError: built against NumPy 1, running with 2
    CvBridge = None

_BRIDGED = {name for name in raw.PACKED if name[-1] == "8"}
"""What cv_bridge converts to rgb8 on Humble and Jazzy alike; the names of YUV differ."""


def rgb_from_image(message: Image, topic: str) -> np.ndarray:
    """As ``qwen_vla_core.images.rgb_from_image``, whose pixels cv_bridge's are the same as."""
    if CvBridge is None or message.encoding not in _BRIDGED:
        return raw.rgb_from_image(message, topic)
    bytes_per_pixel, _ = raw.PACKED[message.encoding]
    raw.pixel_rows(message, topic, bytes_per_pixel)
    # cv_bridge takes rows for whole pixels and shears an image padded by anything else.
    if message.step != message.width * bytes_per_pixel:
        return raw.rgb_from_image(message, topic)
    return np.array(CvBridge().imgmsg_to_cv2(message, desired_encoding="rgb8"))
