"""Pictures are resized on a device as on the host."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vla_model.pictures import apply_weights, resize, resize_to

side = st.integers(8, 90)


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@settings(max_examples=60, deadline=None)
@given(st.tuples(side, side, side, side).filter(lambda s: (s[0] < s[2]) == (s[1] < s[3])))
def test_when_resized_by_matrices_expect_opencvs_picture_within_one_level(sides):
    """Smaller or larger in both directions, whatever the ratio."""
    rows, columns, height, width = sides
    image = picture(rows, columns)
    ours = apply_weights(torch.from_numpy(image), height, width).numpy()
    expected = resize(image, height, width)
    assert ours.shape == expected.shape and ours.dtype == np.uint8
    assert np.abs(ours.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("size", [(480, 640), (720, 1280), (96, 96), (60, 80), (40, 200)])
def test_when_a_camera_has_any_size_expect_the_views_size_on_the_device(size):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    image = picture(*size)
    moved = resize_to(device, image, 96, 96)
    assert moved.device.type == device.type and moved.shape == (96, 96, 3)
    assert np.abs(moved.cpu().numpy().astype(int) - resize(image, 96, 96)).max() <= 1
