"""Joint limits that make no sense are refused, and the joint is named."""

import numpy as np
import pytest

from qwen_vla_core.safety import JointLimits

GOOD = {
    "names": ("waist", "elbow"),
    "lower_D": [-1.0, -2.0],
    "upper_D": [1.0, 2.0],
    "velocity_D": [1.0, 2.0],
    "acceleration_D": [5.0, 6.0],
    "jump_D": [0.1, 0.2],
}


@pytest.mark.parametrize(
    "change, complaint",
    [
        ({"lower_D": [-1.0, 2.0]}, "elbow: lower limit must be below"),
        ({"lower_D": [-1.0, np.nan]}, "elbow: lower limit must be below"),
        ({"upper_D": [np.nan, 2.0]}, "waist: lower limit must be below"),
        ({"velocity_D": [0.0, 1.0]}, "waist: velocity_D must be positive"),
        ({"velocity_D": [1.0, np.inf]}, "elbow: velocity_D must be positive and finite"),
        ({"acceleration_D": [np.nan, -1.0]}, "waist, elbow: acceleration_D"),
        ({"jump_D": [0.1, 0.0]}, "elbow: jump_D"),
        ({"lower_D": [-1.0]}, r"lower_D has shape \(1,\)"),
        ({"velocity_D": None}, "velocity_D has shape"),
        ({"names": ("waist", "waist")}, "each once"),
        ({"names": ()}, "each once"),
    ],
)
def test_when_a_limit_makes_no_sense_expect_an_error_naming_it(change, complaint):
    with pytest.raises(ValueError, match=complaint):
        JointLimits(**{**GOOD, **change})


def test_when_someone_writes_to_a_limit_expect_an_error():
    with pytest.raises(ValueError, match="read-only"):
        JointLimits(**GOOD).upper_D[0] = 100.0
