"""cv_bridge is used where a distribution brings it, and never on what it would get wrong."""

from array import array

import numpy as np
import pytest
from sensor_msgs.msg import Image

from qwen_vla_core.errors import ObservationError
from qwen_vla_ros.images import rgb_from_image

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def image(padding: int = 0) -> Image:
    padded = np.pad(RGB.reshape(5, -1), ((0, 0), (0, padding)), constant_values=77)
    message = Image(height=5, width=7, encoding="rgb8", step=padded.shape[1])
    message.data = array("B", padded.tobytes())
    return message


class Bridge:
    """Stands in for cv_bridge, which no wheel brings: one pixel says that it was asked."""

    def imgmsg_to_cv2(self, message, desired_encoding):
        assert desired_encoding == "rgb8"
        return np.full((message.height, message.width, 3), 7, dtype=np.uint8)


@pytest.mark.parametrize("padding, bridged", [(0, True), (1, False)])
def test_when_a_distribution_brings_cv_bridge_expect_it_used_but_for_padded_rows(
    monkeypatch, padding, bridged
):
    monkeypatch.setattr("qwen_vla_ros.images.CvBridge", Bridge)
    rgb = rgb_from_image(image(padding), "/cam")
    assert (rgb == 7).all() == bridged
    if not bridged:
        np.testing.assert_array_equal(rgb, RGB)


def test_when_an_image_is_truncated_expect_cv_bridge_not_asked(monkeypatch):
    message = image()
    message.data = array("B", bytes(message.data)[:-1])
    monkeypatch.setattr("qwen_vla_ros.images.CvBridge", Bridge)
    with pytest.raises(ObservationError, match="the message holds"):
        rgb_from_image(message, "/cam")
