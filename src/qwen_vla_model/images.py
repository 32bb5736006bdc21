"""Camera images on their way into the vision tower (paper section 2.2), on the model's device.

Letters of shapes: N images; H and W, or height and width, are pixels, C colours.
"""

from collections.abc import Iterable
from functools import lru_cache

import cv2
import numpy as np
import torch

from qwen_vla_core.embodiment import Camera
from qwen_vla_core.observation import resize_view

CAMERA_SIZES = ((480, 640), (240, 424), (360, 640), (480, 848), (720, 1280), (1080, 1920))
"""Rows and columns that usual cameras send."""


def resize_to(device: torch.device, image_HWC: np.ndarray, camera: Camera) -> torch.Tensor:
    """``resize_view`` on ``device``: the image is copied there once and resized there.

    Differs from it by rounding, one level of 255 at most.
    """
    rows, columns = image_HWC.shape[:2]
    # OpenCV takes another way where one side grows and the other shrinks.
    mixed = (rows < camera.height) != (columns < camera.width)
    if device.type == "cpu" or mixed or camera.is_depth:
        return torch.from_numpy(resize_view(image_HWC, camera)).to(device)
    image = torch.from_numpy(image_HWC)
    if device.type == "cuda":
        image = image.pin_memory().to(device, non_blocking=True)
    return apply_weights(image, camera.height, camera.width)


def apply_weights(image_HWC: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """``resize_view`` of colours as two products of matrices, uint8 [height, width, 3]."""
    rows, columns, _ = image_HWC.shape
    if (rows, columns) == (height, width):
        return image_HWC
    down_hH = _weights(rows, height, image_HWC.device)
    across_wW = _weights(columns, width, image_HWC.device)
    x = (down_hH @ image_HWC.float().flatten(1)).unflatten(1, (columns, -1))
    return (across_wW @ x).round().clamp(0, 255).byte()


def prepare_sizes(device: torch.device, cameras: Iterable[Camera]) -> int:
    """Make ready on ``device`` how each usual size is resized; how many weights were missing."""
    missing = _weights.cache_info().misses
    for camera in cameras:
        for size in CAMERA_SIZES:
            resize_to(device, np.zeros((*size, 3), np.uint8), camera)
    return _weights.cache_info().misses - missing


@lru_cache(maxsize=256)  # twelve for each size of views: a server has those of several robots
def _weights(source: int, target: int, device: torch.device) -> torch.Tensor:
    """OpenCV's own weights [target, source]: what it makes of the unit vectors."""
    units = np.eye(source, dtype=np.float32)
    weights = cv2.resize(units, (source, target), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(weights).to(device)


def patchify(images_NHWC: torch.Tensor, vision) -> torch.Tensor:
    """uint8 [N, height, width, 3] to float [N, patches, values], as Qwen2VLImageProcessor.

    Patches of one merge block stand together; values are in (channel, frame, row, column)
    order, normalised with mean and deviation 0.5.

    Args:
        vision: the vision part of the backbone's configuration.
    """
    p, m = vision.patch_size, vision.spatial_merge_size
    N, height, width, C = images_NHWC.shape
    x = images_NHWC.reshape(N, height // p // m, m, p, width // p // m, m, p, C)
    x = x.permute(0, 1, 4, 2, 5, 7, 3, 6)[:, :, :, :, :, :, None]
    x = x.expand(-1, -1, -1, -1, -1, -1, vision.temporal_patch_size, -1, -1)
    return x.reshape(N, height // p * (width // p), -1).float() / 127.5 - 1.0
