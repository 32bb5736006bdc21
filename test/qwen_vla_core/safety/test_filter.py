"""The safety filter keeps its promises whatever it is fed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command_observer import CommandObserver
from qwen_vla_core.errors import NonFiniteError
from qwen_vla_core.safety import (
    OUTSIDE_SPEED,
    JointLimits,
    Motion,
    Rule,
    Verdict,
    limit_positions,
    limit_velocities,
)

DT_S = 0.02


def limits_of(lower=(-1.0,), upper=(1.0,), velocity=(2.0,), acceleration=(10.0,), jump=None):
    return JointLimits(
        names=tuple("abcdef"[: len(lower)]),
        lower_D=lower,
        upper_D=upper,
        velocity_D=velocity,
        acceleration_D=acceleration,
        jump_D=jump,
    )


def observer_of(limits, **changes):
    known = {
        "lower": limits.lower_D.tolist(),
        "upper": limits.upper_D.tolist(),
        "velocity": limits.velocity_D.tolist(),
        "acceleration": limits.acceleration_D.tolist(),
    }
    return CommandObserver(**{**known, **changes})


def play(targets, motion, limits, dt_s=DT_S):
    for target in targets:
        filtered = limit_positions(np.array(target), motion, limits, dt_s=dt_s, period_s=dt_s)
        motion = filtered.motion
        yield filtered


@st.composite
def limits_and_start(draw, outside=False):
    lower = draw(st.lists(st.floats(-3.0, 0.0), min_size=1, max_size=3))
    n = len(lower)

    def each(low, high):
        return draw(st.lists(st.floats(low, high), min_size=n, max_size=n))

    upper = [low + width for low, width in zip(lower, each(1e-3, 6.0), strict=True)]
    limits = limits_of(lower, upper, each(1e-2, 6.0), each(1e-1, 60.0))
    margin = 0.5 if outside else 0.0
    place = each(0.0, 1.0)
    start = limits.lower_D - margin + np.array(place) * (np.array(upper) - lower + 2 * margin)
    if not outside:
        start = np.clip(start, limits.lower_D, limits.upper_D)
    return limits, start


any_target = st.one_of(
    st.floats(-1.0, 1.0), st.floats(-1e9, 1e9), st.sampled_from([np.nan, np.inf, -np.inf])
)


@settings(max_examples=150, deadline=None)
@given(limits_and_start(), st.data(), st.sampled_from([0.002, 0.01, 0.02, 0.1]))
def test_when_targets_are_anything_expect_position_velocity_and_acceleration_kept(
    case, data, dt_s
):
    limits, start_D = case
    observer = observer_of(limits)
    observer.see(start_D, dt_s)
    n = len(limits.names)
    targets = data.draw(st.lists(st.lists(any_target, min_size=n, max_size=n), max_size=40))
    for filtered in play(targets, Motion.at_rest(start_D), limits, dt_s):
        observer.see(filtered.motion.command_D, dt_s)


@settings(max_examples=100, deadline=None)
@given(limits_and_start(), st.data())
def test_when_the_clock_jitters_expect_position_and_velocity_kept_and_late_steps_no_larger(
    case, data
):
    limits, start_D = case
    observer = observer_of(limits, acceleration=None)
    observer.see(start_D, DT_S)
    motion = Motion.at_rest(start_D)
    for dt_s in data.draw(st.lists(st.floats(1e-4, 3.0), max_size=40)):
        target_D = np.array([data.draw(any_target) for _ in start_D])
        motion = limit_positions(target_D, motion, limits, dt_s=dt_s, period_s=DT_S).motion
        observer.see(motion.command_D, min(dt_s, DT_S))


@settings(max_examples=100, deadline=None)
@given(limits_and_start(outside=True), st.data())
def test_when_the_arm_starts_outside_expect_slow_inward_motion_and_no_refusal(case, data):
    limits, start_D = case
    limits = replace(limits, jump_D=np.full(len(start_D), 20.0))
    observer = observer_of(limits)
    observer.see(start_D, DT_S)
    n = len(start_D)
    targets = data.draw(
        st.lists(st.lists(st.floats(-10, 10), min_size=n, max_size=n), max_size=40)
    )
    for filtered in play(targets, Motion.at_rest(start_D), limits):
        observer.see(filtered.motion.command_D, DT_S)
        assert filtered.verdict is not Verdict.REJECTED


@settings(max_examples=60, deadline=None)
@given(st.floats(-1.0, 1.0), st.floats(-1.0, 1.0), st.floats(0.5, 5.0), st.floats(2.0, 60.0))
def test_when_a_target_stands_still_expect_it_reached_in_time_without_overshoot(
    start, target, speed, acceleration
):
    limits = limits_of(velocity=(speed,), acceleration=(acceleration,))
    distance = abs(target - start)
    enough_s = distance / speed + speed / acceleration + 2 * (distance / acceleration) ** 0.5
    steps = int(enough_s / DT_S) + 10
    for filtered in play([[target]] * steps, Motion.at_rest([start]), limits):
        beyond = np.sign(target - start) * (filtered.motion.command_D[0] - target)
        assert beyond <= 1e-9
    assert beyond >= -1e-4


def test_when_targets_stay_within_all_limits_expect_them_unchanged():
    targets = [[0.3 * (1.0 - np.cos(3.0 * k * DT_S))] for k in range(300)]
    limits = limits_of(jump=(0.1,))
    for target, filtered in zip(
        targets, play(targets, Motion.at_rest([0.0]), limits), strict=True
    ):
        assert filtered.verdict is Verdict.PASS and not filtered.acted
        np.testing.assert_allclose(filtered.motion.command_D, target, atol=1e-9)


def test_when_the_command_fell_behind_a_moving_target_expect_it_caught_up_exactly():
    targets = [[0.5 * np.sin(2.0 * k * DT_S)] for k in range(100)]
    last = list(play(targets, Motion.at_rest([0.2]), limits_of()))[30:]
    assert all(filtered.verdict is Verdict.PASS for filtered in last)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_when_one_target_is_not_finite_expect_every_joint_held_at_once(bad):
    limits = limits_of((-1.0, -1.0), (1.0, 1.0), (2.0, 2.0), (10.0, 10.0))
    *_, moving = play([[0.1, 0.1]] * 4, Motion.at_rest([0.0, 0.0]), limits)
    (held,) = play([[0.2, bad]], moving.motion, limits)
    assert held.verdict is Verdict.REJECTED
    assert held.acted == {Rule.FINITE: ("b",)}
    np.testing.assert_array_equal(held.motion.command_D, moving.motion.command_D)
    np.testing.assert_array_equal(held.motion.velocity_D, [0.0, 0.0])


@pytest.mark.parametrize("target", [[0.31, 0.29], [-0.31, -0.29], [-0.31, 0.29]])
def test_when_a_target_jumps_expect_it_rejected_with_the_joint_named(target):
    limits = limits_of((-1.0, -1.0), (1.0, 1.0), (2.0, 2.0), (10.0, 10.0), (0.3, 0.3))
    (held,) = play([target], Motion.at_rest([0.0, 0.0]), limits)
    assert held.verdict is Verdict.REJECTED and held.acted == {Rule.JUMP: ("a",)}


def test_when_a_steady_target_outruns_the_joint_expect_it_followed_and_never_called_a_jump():
    targets = [[0.05 * step] for step in range(1, 15)]  # 2.5 rad/s
    limits = limits_of(velocity=(1.0,), jump=(0.3,))
    results = list(play(targets, Motion.at_rest([0.0]), limits))
    assert targets[-1][0] - results[-1].motion.command_D[0] > 0.3
    assert all(filtered.verdict is Verdict.LIMITED for filtered in results)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_when_the_arm_is_farther_outside_than_the_jump_limit_expect_it_to_come_in(side):
    (filtered,) = play([[0.9 * side]], Motion.at_rest([1.5 * side]), limits_of(jump=(0.2,)))
    assert filtered.acted == {Rule.POSITION: ("a",), Rule.VELOCITY: ("a",)}
    assert filtered.motion.command_D[0] == pytest.approx(side * (1.5 - OUTSIDE_SPEED * DT_S))


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_when_a_target_lies_beyond_a_limit_expect_the_limit_and_a_report(side):
    results = list(play([[1.2 * side]] * 200, Motion.at_rest([0.0]), limits_of()))
    assert results[-1].motion.command_D[0] == pytest.approx(side, abs=1e-9)
    assert results[-1].verdict is Verdict.LIMITED
    assert results[-1].acted == {Rule.POSITION: ("a",)}


def test_when_speed_or_acceleration_binds_expect_the_rule_reported():
    (slow,) = play([[0.5]], Motion.at_rest([0.0]), limits_of())
    (soft,) = play([[0.01]], Motion.at_rest([0.0]), limits_of())
    assert slow.acted == {Rule.VELOCITY: ("a",)}
    assert soft.acted == {Rule.ACCELERATION: ("a",)}


@pytest.mark.parametrize("limit", [limit_positions, limit_velocities])
@pytest.mark.parametrize("dt_s, period_s", [(0.0, 0.02), (-1.0, 0.02), (np.nan, 0.02), (0.02, 0)])
def test_when_time_does_not_pass_expect_an_error_and_no_command(limit, dt_s, period_s):
    with pytest.raises(ValueError, match="must be positive"):
        limit(np.zeros(1), Motion.at_rest([0.0]), limits_of(), dt_s=dt_s, period_s=period_s)


@pytest.mark.parametrize("limit", [limit_positions, limit_velocities])
@pytest.mark.parametrize("bad", ["command_D", "velocity_D"])
def test_when_the_last_motion_is_not_finite_expect_an_error(limit, bad):
    last = replace(Motion.at_rest([0.0]), **{bad: np.array([np.nan])})
    with pytest.raises(NonFiniteError):
        limit(np.zeros(1), last, limits_of(), dt_s=DT_S, period_s=DT_S)


@pytest.mark.parametrize("nowhere", [[np.nan], [np.inf], None])
def test_when_there_is_nowhere_to_rest_expect_an_error(nowhere):
    with pytest.raises(NonFiniteError):
        Motion.at_rest(nowhere)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(any_target, st.floats(1e-4, 1.0)), max_size=40))
def test_when_a_base_is_commanded_anything_expect_speed_and_acceleration_kept(steps):
    limits = limits_of((-np.inf,), (np.inf,), (0.5,), (2.5,))
    motion, last = Motion.at_rest([0.0]), 0.0
    for target, dt_s in steps:
        filtered = limit_velocities(np.array([target]), motion, limits, dt_s=dt_s, period_s=DT_S)
        motion, speed = filtered.motion, float(filtered.motion.velocity_D[0])
        assert abs(speed) <= 0.5
        if np.isfinite(target):
            assert abs(speed - last) <= 2.5 * min(dt_s, DT_S) + 1e-12
            assert (filtered.verdict is Verdict.PASS) == (abs(speed - target) <= 1e-9)
        else:
            assert filtered.verdict is Verdict.REJECTED and speed == 0.0
        last = speed


@pytest.mark.parametrize("target", [3.0, -3.0])
def test_when_a_base_is_commanded_too_fast_expect_its_highest_speed_that_way(target):
    limits, motion = limits_of((-np.inf,), (np.inf,), (0.5,), (2.5,)), Motion.at_rest([0.0])
    for _ in range(50):  # a quarter of them to get there
        motion = limit_velocities(
            np.array([target]), motion, limits, dt_s=DT_S, period_s=DT_S
        ).motion
    assert motion.velocity_D[0] == np.copysign(0.5, target)


@pytest.mark.parametrize("joint_has_limits", [True, False])
def test_when_a_joint_has_no_position_limits_expect_it_to_turn_freely(joint_has_limits):
    lower, upper = ((-1.0,), (1.0,)) if joint_has_limits else ((-np.inf,), (np.inf,))
    *_, last = play([[5.0]] * 400, Motion.at_rest([0.0]), limits_of(lower, upper))
    assert last.motion.command_D[0] == pytest.approx(1.0 if joint_has_limits else 5.0)
