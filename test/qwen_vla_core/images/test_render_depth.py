"""Depth becomes colours that keep its order; what was not measured is black, whatever it holds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qwen_vla_core.images import render_depth

NEAR_M, FAR_M = 0.2, 2.0
BLACK = [0, 0, 0]


def colours(*depths_m):
    """RGB of some distances."""
    return render_depth(np.array([depths_m], dtype=np.float32), NEAR_M, FAR_M)[0].tolist()


def test_when_nothing_was_measured_expect_black_and_nowhere_else():
    assert colours(np.nan, 0.0, -0.5) == [BLACK] * 3
    ramp = np.linspace(0.001, 10.0, 5000)
    assert BLACK not in colours(*ramp)


def test_when_depth_is_out_of_range_expect_the_colour_of_the_nearer_end():
    near, far = colours(NEAR_M, FAR_M)
    assert colours(0.01, -np.inf) == [near, near]
    assert colours(9.0, 1e38, np.inf) == [far, far, far]
    assert near[0] > 100 > near[2] and far[2] > far[0]  # red is near, blue is far


def test_when_distances_differ_by_more_than_a_step_expect_different_colours():
    step_m = (FAR_M - NEAR_M) / 254
    ramp = colours(*np.arange(NEAR_M, FAR_M + step_m / 2, step_m))
    assert len(ramp) == len({tuple(colour) for colour in ramp}) == 255


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 5), st.integers(1, 5)),
        elements=st.floats(width=32, allow_nan=True, allow_infinity=True),
    )
)
def test_when_depth_holds_any_numbers_expect_an_image_without_a_warning(depth_HW):
    with np.errstate(all="raise", under="ignore"):
        image = render_depth(depth_HW, NEAR_M, FAR_M)
    assert image.dtype == np.uint8 and image.shape == (*depth_HW.shape, 3)
    measured = (depth_HW > 0.0) | np.isneginf(depth_HW)
    np.testing.assert_array_equal(image.any(-1), measured)
