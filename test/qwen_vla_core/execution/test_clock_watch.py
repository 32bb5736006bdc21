"""ROS time beside steady time: set, standing still, too slow, and all that is well."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vla_core.execution.clock_watch import ClockWatch

PERIOD_S = 0.02


def watch(ros_s, steady_s=None):
    """Every problem found when both clocks are read at these times."""
    ros_s = np.asarray(ros_s, dtype=float)
    steady_s = np.arange(len(ros_s)) * PERIOD_S if steady_s is None else steady_s
    clocks = ClockWatch()
    found = [clocks.update(ros, steady) for ros, steady in zip(ros_s, steady_s, strict=True)]
    return [problem for problem in found if problem]


def running(seconds, speed=1.0, start_s=1e9):
    return start_s + speed * np.arange(round(seconds / PERIOD_S)) * PERIOD_S


def test_when_both_clocks_run_expect_nothing_to_say():
    assert watch(running(5.0)) == []


@pytest.mark.parametrize("jump_s", [0.11, -0.11, 0.15, 5.0, -5.0])
def test_when_the_clock_is_set_expect_it_said_once(jump_s):
    ros_s = running(3.0)
    ros_s[75:] += jump_s
    problems = watch(ros_s)
    assert len(problems) == 1 and f"jumped by {jump_s:.3f} s" in problems[0]


def test_when_ntp_slews_expect_nothing_to_say():
    assert watch(running(5.0, speed=1.0005)) == []


def test_when_the_clock_pauses_expect_it_within_a_third_of_a_second_and_until_it_goes_on():
    ros_s = running(4.0)
    ros_s[100:150] = ros_s[99]
    ros_s[150:] -= ros_s[150] - ros_s[99] - PERIOD_S
    clocks, found = ClockWatch(), []
    for k, now_s in enumerate(ros_s):
        found.append(clocks.update(now_s, k * PERIOD_S))
    first = next(k for k, problem in enumerate(found) if problem)
    assert (first - 99) * PERIOD_S <= 0.3 and "stood still" in found[first]
    assert all(found[first:150])


@pytest.mark.parametrize("speed, well", [(0.2, False), (0.4, False), (0.6, True), (1.5, True)])
def test_when_a_simulator_is_slow_expect_half_the_speed_of_time_to_be_enough(speed, well):
    problems = watch(running(4.0, speed=speed))
    assert (problems == []) == well
    assert well or f"{speed:.2f} times the speed" in problems[0]


def test_when_a_simulated_clock_ticks_at_ten_hertz_expect_nothing_to_say():
    assert watch(np.floor(running(5.0) * 10.0) / 10.0) == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.0005, 3.0), min_size=2, max_size=40))
def test_when_periods_are_uneven_but_both_clocks_agree_expect_nothing_to_say(waits_s):
    steady_s = np.cumsum(waits_s)
    assert watch(100.0 + steady_s, steady_s) == []
