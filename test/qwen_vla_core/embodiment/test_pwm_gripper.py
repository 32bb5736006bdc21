"""A gripper in pwm mode: its effort while it is commanded, and what is left on at the end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_core.embodiment.pwm_gripper import PwmGripper

PERIOD_S, STALE_S = 0.02, 0.2
LONG = 40
"""Periods, 0.8 s: longer than anything here takes."""


def gripper():
    return PwmGripper(gain_per_m=300.0, pwm_limit=350.0, stale_s=STALE_S)


class Clock:
    """Feeds one gripper period by period."""

    def __init__(self, pwm_gripper):
        self._gripper, self._now_s = pwm_gripper, 100.0

    def play(self, command_m, measured):
        for measured_m in measured:
            self._now_s += PERIOD_S
            self._gripper.command(command_m, measured_m, self._now_s)
        return self._gripper


def closing(start_m, periods, speed_m_s=0.02):
    return [start_m - speed_m_s * PERIOD_S * period for period in range(periods)]


def test_when_it_is_on_its_way_expect_no_effort_left_at_the_end():
    moving = Clock(gripper()).play(0.015, closing(0.037, LONG))
    assert moving.effort == -350.0 and moving.final_effort() == 0.0


@pytest.mark.parametrize("command_m", [0.015, 0.037])
def test_when_something_holds_it_up_expect_its_effort_to_stay(command_m):
    # A hand's width from what it was commanded to, in between: it presses on something.
    holding = Clock(gripper()).play(command_m, [0.026] * LONG)
    assert abs(holding.effort) == 350.0 and holding.final_effort() == holding.effort


def test_when_its_encoder_flickers_while_it_holds_expect_its_effort_to_stay():
    holding = Clock(gripper()).play(0.015, [0.026, 0.02603] * LONG)
    assert holding.final_effort() == -350.0


def test_when_it_has_just_touched_something_expect_no_effort_before_that_is_certain():
    certain_after = round((STALE_S + 0.15) / PERIOD_S)
    touching = Clock(gripper())
    early = touching.play(0.015, [*closing(0.037, 20), *[0.0292] * (certain_after - 2)])
    assert early.final_effort() == 0.0
    assert touching.play(0.015, [0.0292] * 4).final_effort() == -350.0


def test_when_it_turns_round_expect_it_to_count_as_on_its_way():
    pwm_gripper = gripper()
    clock = Clock(pwm_gripper)
    clock.play(0.015, [0.026] * LONG)
    clock.play(0.037, [0.026, 0.026])
    assert pwm_gripper.effort == 350.0 and pwm_gripper.final_effort() == 0.0


def test_when_measurements_end_on_its_way_expect_the_effort_to_end():
    clock = Clock(gripper())
    # The last measurement is repeated for as long as it is not too old to be one.
    repeats = round(STALE_S / PERIOD_S)
    moving = closing(0.037, 10)
    assert clock.play(0.015, [*moving, *[moving[-1]] * repeats, None]).effort == 0.0
    assert clock.play(0.015, [None] * LONG).final_effort() == 0.0


def test_when_measurements_end_while_it_holds_expect_the_effort_to_stay():
    clock = Clock(gripper())
    clock.play(0.015, [0.026] * LONG)
    assert clock.play(0.015, [None] * LONG).effort == -350.0


def test_when_measurements_come_back_expect_it_to_go_on():
    clock = Clock(gripper())
    clock.play(0.015, [*closing(0.037, 10), None, None])
    assert clock.play(0.015, [0.033]).effort == -350.0


def test_when_it_was_never_measured_expect_no_effort():
    assert Clock(gripper()).play(0.015, [None] * 3).effort == 0.0


@given(
    st.lists(
        st.tuples(st.floats(-0.1, 0.1), st.none() | st.floats(-0.1, 0.1)), min_size=1, max_size=60
    )
)
def test_when_anything_is_commanded_and_measured_expect_bounded_effort_and_none_while_blind(steps):
    clock, pwm_gripper = None, gripper()
    clock = Clock(pwm_gripper)
    before = 0.0
    for command_m, measured_m in steps:
        clock.play(command_m, [measured_m])
        assert abs(pwm_gripper.effort) <= 350.0
        if measured_m is None:
            assert pwm_gripper.effort in (0.0, before)
        assert pwm_gripper.final_effort() in (0.0, pwm_gripper.effort)
        before = pwm_gripper.effort
