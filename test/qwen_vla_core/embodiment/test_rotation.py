"""Every way to name a rotation gives the same rotation back, also where angles jump."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qwen_vla_core.embodiment.rotation import FROM_MATRIX, TO_MATRIX, matrix_from_rot6d
from qwen_vla_core.errors import KinematicsError
from rotations import rotations


@pytest.mark.parametrize("kind", TO_MATRIX)
@given(rotation=rotations)
def test_when_a_rotation_is_named_and_read_again_expect_the_same_rotation(kind, rotation):
    named = FROM_MATRIX[kind](rotation)
    assert np.isfinite(named).all()
    np.testing.assert_allclose(TO_MATRIX[kind](named), rotation, atol=1e-9)


@given(arrays(float, 6, elements=st.floats(-10.0, 10.0)))
@example(np.zeros(6))
@example(np.array([1.0, 0.0, 0.0, 2.0, 0.0, 0.0]))
@example(np.full(6, np.nan))
@example(np.array([np.inf, 0.0, 0.0, 0.0, 1.0, 0.0]))
def test_when_six_numbers_come_from_a_network_expect_a_rotation_or_an_error_and_never_nan(six):
    try:
        rotation = matrix_from_rot6d(six)
    except KinematicsError:
        return
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(rotation) == pytest.approx(1.0)


@pytest.mark.parametrize("six", [np.zeros(6), [1, 0, 0, 2, 0, 0], [1e-3, 0, 0, 0, 1, 0]])
def test_when_two_columns_say_no_direction_expect_an_error(six):
    with pytest.raises(KinematicsError, match="no column"):
        matrix_from_rot6d(np.array(six, dtype=float))


@given(rotations, arrays(float, 6, elements=st.floats(-0.1, 0.1)))
def test_when_columns_are_a_little_off_expect_a_rotation_nearby(rotation, noise):
    again = matrix_from_rot6d(FROM_MATRIX["rot6d"](rotation) + noise)
    assert np.abs(again - rotation).max() < 0.5
