"""Which samples are accepted, and when a pose is steady enough to start from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vla_core.safety import MeasuredPose

SPEED_D = np.array([1.5, 1.5, 0.1])
HERE = np.array([0.2, -0.4])
TIMEOUT_S = 0.1


def pose():
    return MeasuredPose(
        ("waist", "elbow", "finger"), SPEED_D, {"arm": (0, 1), "gripper": (2,)}, TIMEOUT_S
    )


def fed(seconds=0.2, start_s=0.0, here=HERE):
    measured = pose()
    for now_s in np.arange(start_s, start_s + seconds, 0.01):
        assert measured.add("arm", here, now_s) == ""
        assert measured.add("gripper", np.array([0.03]), now_s) == ""
    return measured


def test_when_only_one_stream_was_measured_expect_no_complete_pose():
    measured = pose()
    for now_s in (0.0, 0.01, 0.02):
        measured.add("arm", HERE, now_s)
    assert not measured.complete and "gripper: too few samples" in measured.unsteady(0.02)


def test_when_a_joint_could_not_have_moved_so_far_expect_the_sample_refused_and_its_name():
    measured = fed()
    refusal = measured.add("arm", HERE + [2.5, 0.0], 0.2)
    assert "waist moved 2.500" in refusal and "elbow" not in refusal
    np.testing.assert_array_equal(measured.positions_D, [*HERE, 0.03])
    assert measured.add("arm", HERE, 0.21) == ""


def test_when_the_wrong_samples_alternate_with_right_ones_expect_only_the_right_ones_taken():
    measured = fed()
    for k in range(200):
        assert measured.add("arm", HERE + [2.0, 0.0], 0.2 + 0.01 * k)
        assert measured.add("arm", HERE, 0.205 + 0.01 * k) == ""
    np.testing.assert_array_equal(measured.positions_D[:2], HERE)


def test_when_a_stream_was_lost_and_comes_back_elsewhere_expect_it_after_samples_that_agree():
    measured = fed()
    there = HERE + [2.5, 0.0]
    assert measured.add("arm", there, 0.21) and measured.add("arm", there, 0.25)
    assert measured.add("arm", there, 0.19 + 2 * TIMEOUT_S)  # not surely noticed yet
    assert measured.add("arm", there, 0.20 + 2 * TIMEOUT_S) == ""
    np.testing.assert_array_equal(measured.positions_D[:2], there)
    assert "arm: too few samples" in measured.unsteady(0.41)


def test_when_the_samples_after_a_silence_disagree_expect_none_of_them_taken():
    measured = fed()
    for k in range(20):
        assert measured.add("arm", HERE + [2.5 + (k % 2), 0.0], 0.41 + 0.005 * k)


def test_when_the_robot_stands_expect_a_steady_pose():
    assert fed().unsteady(0.2) == "" == fed().unsteady(0.2, for_s=0.1)


def test_when_it_has_not_stood_for_long_enough_expect_so_said():
    measured = fed(seconds=0.05)
    assert measured.unsteady(0.05) == ""
    assert "too few samples" in measured.unsteady(0.05, for_s=0.2)


def test_when_a_sample_was_refused_expect_no_pose_to_start_from_for_half_a_second():
    measured = fed()
    measured.add("arm", HERE + [2.5, 0.0], 0.2)
    assert "arm: a sample was too far" in measured.unsteady(0.2)
    for now_s in np.arange(0.21, 0.75, 0.01):
        assert measured.add("arm", HERE, now_s) == measured.add("gripper", [0.03], now_s) == ""
        assert bool(measured.unsteady(now_s)) == (now_s < 0.695), now_s
    assert measured.unsteady(0.75) == ""


def test_when_two_drivers_say_otherwise_in_turn_expect_never_a_pose_to_start_from():
    measured = fed()
    for now_s in np.arange(0.2, 1.0, 0.01):
        measured.add("arm", HERE + [0.9, 0.0], now_s)
        assert measured.add("arm", HERE, now_s + 0.005) == ""
        assert "arm: a sample was too far" in measured.unsteady(now_s + 0.006)


def test_when_the_robot_is_being_moved_expect_the_joint_that_moves():
    measured = fed()
    for k in range(1, 11):
        measured.add("arm", HERE + [0.0, 0.02 * k], 0.2 + 0.01 * k)
    assert "elbow by" in measured.unsteady(0.3) and "waist" not in measured.unsteady(0.3)


def test_when_the_stream_has_died_expect_no_steady_pose():
    assert "too few samples" in fed().unsteady(1.0)


@pytest.mark.parametrize("burst", [1, 3, 5])
def test_when_samples_arrive_in_bursts_expect_a_joint_at_its_limit_accepted(burst):
    measured = fed()
    for k in range(1, 100):
        arrived_s = 0.2 + 0.01 * burst * np.ceil(k / burst)
        assert measured.add("arm", HERE + SPEED_D[:2] * 0.01 * k, arrived_s) == ""


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1.0, 1.0), min_size=5, max_size=60), st.floats(0.005, 0.04))
def test_when_a_joint_moves_within_its_speed_expect_every_sample_accepted(speeds, dt_s):
    measured = pose()
    position, now_s = HERE.copy(), 0.0
    for speed in speeds:
        now_s += dt_s
        position = position + speed * SPEED_D[:2] * dt_s
        assert measured.add("arm", position, now_s) == ""


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-3.0, 3.0), st.floats(0.0, 0.05)), max_size=60))
def test_when_samples_are_anything_expect_the_pose_never_to_change_faster_than_it_can(samples):
    measured, now_s, last_s, last = fed(), 0.2, 0.19, HERE[0]
    for value, dt_s in samples:
        now_s += dt_s
        if measured.add("arm", np.array([value, HERE[1]]), now_s) == "":
            lost = now_s - last_s > TIMEOUT_S
            assert lost or abs(value - last) <= SPEED_D[0] * (2.0 * (now_s - last_s) + 0.05) + 1e-9
            last_s, last = now_s, value
