"""Which parts of an image a prediction depends on: grey them out one by one."""

from collections.abc import Callable

import numpy as np

Predict = Callable[[np.ndarray], np.ndarray]
"""From images uint8 [N, height, width, 3] to whatever is predicted of each, float [N, ...]."""


def occlusion_map(
    predict: Predict, image_HWC: np.ndarray, patch_px: int, stride_px: int
) -> np.ndarray:
    """How far the prediction moves when what is around a pixel is hidden, float64 [H, W].

    A square patch in the image's mean colour slides over the image. The heat of a pixel is
    the mean, over the patches that cover it, of the root mean square change of the prediction.

    Args:
        patch_px: side of the patch, at most the image's.
        stride_px: how far it slides; up to its side, so that every pixel is covered.
    """
    height, width, _ = image_HWC.shape
    patches = [
        (slice(top, top + patch_px), slice(left, left + patch_px))
        for top in _starts(height, patch_px, stride_px)
        for left in _starts(width, patch_px, stride_px)
    ]
    images = np.repeat(image_HWC[None], len(patches) + 1, axis=0)
    for hidden, patch in zip(images[1:], patches, strict=True):
        hidden[patch] = image_HWC.mean((0, 1)).round()
    predicted = predict(images).reshape(len(images), -1)
    changes = np.sqrt(np.square(predicted[1:] - predicted[0]).mean(1))
    heat, covered = np.zeros((height, width)), np.zeros((height, width))
    for patch, change in zip(patches, changes, strict=True):
        heat[patch] += change
        covered[patch] += 1
    return heat / covered


def density(heat_HW: np.ndarray, box: np.ndarray) -> float:
    """Mean heat within a box of left, top, right, bottom as fractions of width and height."""
    height, width = heat_HW.shape
    left, top, right, bottom = box * [width, height, width, height]
    rows = slice(int(np.floor(top)), int(np.ceil(bottom)))
    return float(heat_HW[rows, int(np.floor(left)) : int(np.ceil(right))].mean())


def _starts(length: int, patch: int, stride: int) -> list[int]:
    """Where patches begin, so that the last one ends at the edge."""
    return [*range(0, length - patch, stride), length - patch]
