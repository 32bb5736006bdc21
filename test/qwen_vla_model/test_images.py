"""Images are resized on a device as on the host."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vla_core.observation import resize_view
from qwen_vla_model.images import CAMERA_SIZES, _weights, apply_weights, prepare_sizes, resize_to
from robots import robot, widowx_text

CAMERA = robot(widowx_text()).cameras[0]
side = st.integers(8, 90)


def view(height, width):
    """A camera with a view of this size."""
    return CAMERA.model_copy(update={"height": height, "width": width})


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@settings(max_examples=60, deadline=None)
@given(st.tuples(side, side, side, side).filter(lambda s: (s[0] < s[2]) == (s[1] < s[3])))
def test_when_resized_by_matrices_expect_opencvs_image_within_one_level(sides):
    """Smaller or larger in both directions, whatever the ratio."""
    rows, columns, height, width = sides
    image = noise(rows, columns)
    ours = apply_weights(torch.from_numpy(image), height, width).numpy()
    expected = resize_view(image, view(height, width))
    assert ours.shape == expected.shape and ours.dtype == np.uint8
    assert np.abs(ours.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("size", [(480, 640), (720, 1280), (96, 96), (60, 80), (40, 200)])
def test_when_a_camera_has_any_size_expect_the_views_size_on_the_device(size):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    image = noise(*size)
    moved = resize_to(device, image, view(96, 96))
    assert moved.device.type == device.type and moved.shape == (96, 96, 3)
    expected = resize_view(image, view(96, 96))
    assert np.abs(moved.cpu().numpy().astype(int) - expected).max() <= 1


@pytest.mark.parametrize("device", ["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
def test_when_a_depth_view_is_resized_expect_no_colour_that_was_not_there(device):
    image = np.random.default_rng(0).choice(np.array([0, 255], np.uint8), (480, 640, 3))
    depth = view(96, 96).model_copy(update={"tag": "ego_depth", "depth_range_m": (0.2, 2.0)})
    resized = resize_to(torch.device(device), image, depth)
    assert resized.shape == (96, 96, 3) and resized.unique().tolist() == [0, 255]
    assert len(resize_to(torch.device(device), image, view(96, 96)).unique()) > 2  # averaged


def test_when_sizes_are_prepared_expect_nothing_left_for_the_first_image_of_any_camera():
    """Views of four sizes, as a server has them for its robots; as on a device without OpenCV."""
    device, views = torch.device("meta"), [view(side, side) for side in (32, 48, 64, 96)]
    _weights.cache_clear()
    assert prepare_sizes(device, views) > 0
    made = _weights.cache_info().misses
    for size in CAMERA_SIZES:
        for each in views:
            resize_to(device, np.zeros((*size, 3), np.uint8), each)
    assert (480, 640) in CAMERA_SIZES and _weights.cache_info().misses == made
    assert prepare_sizes(device, views) == 0
