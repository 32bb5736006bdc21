"""Chunks survive the wire unchanged; what is malformed is refused whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nav_msgs.msg import Odometry

from qwen_vla_core.errors import ChunkError, NonFiniteError
from qwen_vla_core.from_messages import chunk_from_message, seconds
from qwen_vla_core.types import ActionChunk
from qwen_vla_ros.messages import check_odometry, chunk_message, estop_in, stamp_message

NAMES = ("waist", "shoulder", "left_finger")


def chunk(points=4, step_s=0.2, stamp_s=1_790_000_000.25):
    rng = np.random.default_rng(points)
    return ActionChunk(
        stamp_s=stamp_s,
        step_s=step_s,
        positions_TD=rng.normal(size=(points, 3)),
        velocities_TD=rng.normal(size=(points, 3)),
    )


@settings(deadline=None)  # the first message loads the type support of all
@given(
    st.integers(2, 60), st.sampled_from([0.02, 0.05, 0.1, 0.2, 1 / 3]), st.permutations(range(3))
)
def test_when_a_chunk_travels_expect_the_same_numbers_in_our_joint_order(points, step_s, order):
    sent = chunk(points, step_s)
    message = chunk_message(sent, NAMES)
    message.joint_names = [NAMES[i] for i in order]
    for point in message.points:
        point.positions = [point.positions[i] for i in order]
        point.velocities = [point.velocities[i] for i in order]
    received = chunk_from_message(message, NAMES)
    np.testing.assert_array_equal(received.positions_TD, sent.positions_TD)
    np.testing.assert_array_equal(received.velocities_TD, sent.velocities_TD)
    assert received.step_s == pytest.approx(step_s, abs=1e-9)
    assert received.stamp_s == pytest.approx(sent.stamp_s, abs=1e-6)


@given(st.floats(0.0, 4e9))
def test_when_a_time_becomes_a_stamp_and_back_expect_less_than_a_microsecond_of_difference(time_s):
    assert seconds(stamp_message(time_s)) == pytest.approx(time_s, abs=1e-6)


def broken(change):
    message = chunk_message(chunk(), NAMES)
    change(message)
    return message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: setattr(m, "joint_names", ["waist", "shoulder"]), "joints"),
        (lambda m: setattr(m, "joint_names", ["waist", "shoulder", "knee"]), "knee"),
        (lambda m: setattr(m, "joint_names", ["waist", "waist", "left_finger"]), "joints"),
        (lambda m: setattr(m, "points", []), "0 points"),
        (lambda m: setattr(m, "points", m.points[:1]), "1 points"),
        (lambda m: setattr(m.points[1], "positions", [0.0]), "point 1"),
        (lambda m: setattr(m.points[2], "velocities", []), "point 2"),
        (lambda m: setattr(m.points[2].time_from_start, "sec", 9), "evenly"),
        (lambda m: setattr(m.points[1].time_from_start, "nanosec", 0), "evenly"),
        (lambda m: setattr(m.points[0].time_from_start, "sec", 1), "evenly"),
    ],
)
def test_when_a_chunk_message_is_malformed_expect_refusal_in_words(change, words):
    with pytest.raises(ChunkError, match=words):
        chunk_from_message(broken(change), NAMES)


def test_when_the_first_covariance_is_minus_one_expect_the_bases_stop_to_be_pressed():
    odometry = Odometry()
    check_odometry(odometry, estop_in_covariance=True)
    assert not estop_in(odometry)
    odometry.pose.covariance[0] = -1.0
    check_odometry(odometry, estop_in_covariance=True)
    assert estop_in(odometry)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m, bad: setattr(m.pose.pose.position, "y", bad), "position"),
        (lambda m, bad: setattr(m.pose.pose.orientation, "w", bad), "orientation"),
        (lambda m, bad: setattr(m.twist.twist.linear, "x", bad), "linear velocity"),
        (lambda m, bad: setattr(m.twist.twist.angular, "z", bad), "angular velocity"),
        (lambda m, bad: m.pose.covariance.__setitem__(0, bad), "covariance"),
    ],
)
def test_when_odometry_is_not_finite_expect_refusal_naming_the_part(change, words, bad):
    odometry = Odometry()
    change(odometry, bad)
    with pytest.raises(NonFiniteError, match=words):
        check_odometry(odometry, estop_in_covariance=True)


@pytest.mark.parametrize("value", [0.0, np.nan, -1.0, 1e9])
def test_when_a_base_leaves_its_covariances_as_they_are_expect_them_ignored(value):
    odometry = Odometry()
    odometry.pose.covariance[:] = odometry.twist.covariance[:] = np.full(36, value)
    assert check_odometry(odometry, estop_in_covariance=False) is None
