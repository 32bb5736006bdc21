"""Occlusion maps of made-up policies that depend on what is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vla_eval.report.occlusion import density, occlusion_map

IMAGE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
PATCH = 6


def looks_at(top, left, size=4):
    """Predicts the pixels of one region, and nothing else."""

    def predict(images):
        return images[:, top : top + size, left : left + size].astype(float)

    return predict


@settings(max_examples=30, deadline=None)
@given(top=st.integers(0, 20), left=st.integers(0, 28), stride=st.integers(2, PATCH))
def test_when_a_policy_depends_on_one_region_expect_the_peak_there_and_nothing_far_away(
    top, left, stride
):
    heat = occlusion_map(looks_at(top, left), IMAGE, PATCH, stride)
    assert heat.shape == IMAGE.shape[:2] and (heat >= 0.0).all()
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    # Every patch that covers a pixel at most one patch away may hide something of it.
    assert top - PATCH <= row < top + 4 + PATCH and left - PATCH <= column < left + 4 + PATCH
    rows, columns = np.indices(heat.shape)
    far = (rows < top - PATCH) | (rows >= top + 4 + PATCH)
    far |= (columns < left - PATCH) | (columns >= left + 4 + PATCH)
    assert not heat[far].any()


def test_when_two_objects_are_compared_expect_the_one_looked_at_to_have_more():
    heat = occlusion_map(looks_at(4, 20), IMAGE, PATCH, PATCH // 2)
    there = np.array([20 / 32, 4 / 24, 24 / 32, 8 / 24])
    elsewhere = np.array([2 / 32, 15 / 24, 7 / 32, 20 / 24])
    assert density(heat, there) > 0.0 == density(heat, elsewhere)


def test_when_a_policy_does_not_look_expect_no_heat():
    heat = occlusion_map(lambda images: np.ones((len(images), 4)), IMAGE, PATCH, PATCH)
    assert not heat.any()


def test_when_two_parts_matter_alike_expect_as_much_heat_on_both():
    parts = [looks_at(6, 6, size=6), looks_at(12, 18, size=6)]
    flat = np.full_like(IMAGE, 128)
    flat[6:12, 6:12] = flat[12:18, 18:24] = 255

    def predict(images):
        return np.concatenate([part(images) for part in parts], axis=1)

    heat = occlusion_map(predict, flat, PATCH, PATCH)
    assert heat[6:12, 6:12].mean() == pytest.approx(heat[12:18, 18:24].mean()) and heat.max() > 0
