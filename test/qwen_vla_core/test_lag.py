"""How much later messages come than before, whatever the clocks of two computers say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_core.lag import LATE_S, WINDOW_S, Lag

TODAY_S = 1.8e9


def after(delays_s, ahead_s=0.0, period_s=0.02, lag=None):
    """The lag after messages with these delays, stamped by a clock that is ahead."""
    lag = lag or Lag()
    for tick, delay_s in enumerate(delays_s):
        said_s = TODAY_S + tick * period_s
        lag.add(said_s + ahead_s, said_s + delay_s)
    return lag


@pytest.mark.parametrize("ahead_s", [0.0, 3600.0, -1e6])
def test_when_a_delay_grows_expect_it_late_whatever_the_clocks_say(ahead_s):
    growing = [0.01 + 0.4 * LATE_S * tick / 50 for tick in range(100)]
    assert not after(growing, ahead_s).late
    assert after([*growing, 0.02 + LATE_S], ahead_s).late
    assert not after([*growing, 0.02 + LATE_S, 0.01], ahead_s).late


def test_when_a_delay_stays_or_a_clock_was_set_expect_it_usual_after_a_while():
    ticks = round(2.0 * WINDOW_S / 0.02) + 50
    assert after([0.01] * 100 + [2.0] * 400).late
    assert not after([0.01] * 100 + [2.0] * ticks).late


@pytest.mark.parametrize("stamp_s", [0.0, 12.0])
def test_when_stamps_are_none_or_of_another_kind_of_clock_expect_nothing_late(stamp_s):
    lag = after([0.01] * 10)
    lag.add(stamp_s, TODAY_S + 100.0)
    assert not lag.late


@given(st.lists(st.floats(0.0, LATE_S), min_size=1, max_size=50), st.floats(-1e5, 1e5))
def test_when_delays_vary_less_than_what_is_late_expect_none_late(delays_s, ahead_s):
    assert not after(delays_s, round(ahead_s)).late or max(delays_s) > LATE_S - 1e-6
