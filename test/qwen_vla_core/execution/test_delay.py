"""The delay estimate follows the latency, not its outliers."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_core.execution import DelayEstimator

STEP_S = 0.02


def estimate(latencies_s, cap_steps=12, **expected):
    estimator = DelayEstimator(step_s=STEP_S, cap_steps=cap_steps, **expected)
    for latency_s in latencies_s:
        estimator.add(latency_s)
    return estimator.steps()


def test_when_nothing_is_known_expect_the_cap():
    assert estimate([]) == 12
    assert estimate([0.1, 0.1, 0.1]) == 12  # warm-up tells nothing


def test_when_a_latency_is_expected_expect_it_until_one_is_measured():
    assert estimate([0.7, 0.4, 0.3], expected_s=0.06) == 3
    assert estimate([0.7, 0.4, 0.3, 0.1], expected_s=0.06) == 5


def test_when_warm_up_was_slow_expect_it_left_out():
    assert estimate([0.7, 0.4, 0.3] + [0.1] * 5) == 5


def test_when_one_inference_in_thirty_is_slow_expect_it_ignored():
    assert estimate([0.1] * 3 + ([0.1] * 29 + [0.7]) * 2) == 5


def test_when_inference_became_fast_again_expect_the_slow_spell_forgotten():
    assert estimate([0.1] * 3 + [0.2] * 60) == 10
    assert estimate([0.1] * 3 + [0.2] * 60 + [0.1] * 50) == 5


def test_when_a_latency_lies_between_steps_expect_only_whole_ones_counted():
    assert [estimate([0.0] * 3 + [latency_s]) for latency_s in (0.0, 0.0199, 0.02)] == [0, 0, 1]
    assert [estimate([0.0] * 3 + [latency_s]) for latency_s in (0.1, 0.1199, 0.12)] == [5, 5, 6]


@pytest.mark.parametrize("latency_s", [-0.1, math.nan])
def test_when_a_latency_cannot_be_expect_an_error(latency_s):
    with pytest.raises(ValueError, match="cannot be"):
        estimate([latency_s])


@pytest.mark.parametrize("step_s, cap_steps", [(0.0, 4), (math.nan, 4), (0.02, 0)])
def test_when_step_or_cap_make_no_sense_expect_an_error(step_s, cap_steps):
    with pytest.raises(ValueError, match="must be positive"):
        DelayEstimator(step_s=step_s, cap_steps=cap_steps)


@given(st.lists(st.floats(0.0, allow_nan=False), max_size=120), st.integers(1, 16))
def test_when_latencies_are_anything_expect_whole_steps_between_them_and_the_cap(latencies, cap):
    steps = estimate(latencies, cap)
    assert isinstance(steps, int) and 0 <= steps <= cap
    counted = latencies[3:][-50:]
    if counted:
        assert (steps + 1) * STEP_S >= min((cap + 1) * STEP_S, min(counted)) - 1e-6
        assert steps * STEP_S <= max(counted) + 1e-6
