"""Stamps as drivers send them: none, of another clock, since they were switched on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_core.observation import FUTURE_TOLERANCE_S, Fault, Instant, SampleVerdict, Stream

TODAY_S = 1_796_000_000.0


class Listener:
    """A stream, and the time of day at which its samples come."""

    def __init__(self, start_s=TODAY_S):
        self.stream = Stream(name="arm", max_age_s=0.2)
        self.passed_s, self.start_s = 0.0, start_s

    @property
    def now(self):
        return Instant(ros_s=self.start_s + self.passed_s, steady_s=5.0 + self.passed_s)

    def take(self, stamp_s, after_s=0.01):
        self.passed_s += after_s
        return self.stream.add(7, stamp_s=stamp_s, now=self.now)


@given(st.floats(0.001, 1e8), st.lists(st.floats(0.001, 0.2), min_size=1, max_size=20))
def test_when_stamps_count_from_the_start_of_a_microcontroller_expect_receipt_instead(
    boot_s, gaps_s
):
    listener = Listener()
    first = listener.take(boot_s)
    assert first.verdict is SampleVerdict.UNSTAMPED and "not the time of day" in first.reason
    for gap_s in gaps_s:
        boot_s += gap_s
        assert listener.take(boot_s, gap_s).verdict is SampleVerdict.ACCEPTED
        assert listener.stream.stamp_s == listener.now.ros_s
        assert listener.stream.fault(listener.now) is None


def test_when_a_microcontroller_restarts_expect_its_samples_to_go_on():
    listener = Listener()
    listener.take(900.0)
    assert listener.take(0.5).verdict is SampleVerdict.ACCEPTED


def test_when_a_stamp_since_boot_is_repeated_expect_silence():
    listener = Listener()
    listener.take(900.0)
    for _ in range(30):
        assert listener.take(900.0).verdict is SampleVerdict.REPEATED
    assert listener.stream.fault(listener.now).fault is Fault.OLD


def test_when_time_is_simulated_expect_its_small_stamps_judged_as_stamps():
    listener = Listener(start_s=100.0)
    assert listener.take(100.0).verdict is SampleVerdict.ACCEPTED
    assert listener.stream.stamp_s == 100.0
    assert listener.take(99.0).verdict is SampleVerdict.REPEATED


def test_when_a_stamp_is_slightly_in_the_future_expect_it_taken():
    listener = Listener()
    assert listener.take(TODAY_S + 0.01 + 0.9 * FUTURE_TOLERANCE_S).verdict is (
        SampleVerdict.ACCEPTED
    )
    assert listener.stream.fault(listener.now) is None


@pytest.mark.parametrize("ahead_s", [0.2, 3600.0])
def test_when_another_clock_is_ahead_expect_what_to_do_about_it(ahead_s):
    report = Listener().take(TODAY_S + ahead_s)
    assert report.verdict is SampleVerdict.FUTURE
    assert "in the future" in report.reason and "synchronise the clocks" in report.reason


@pytest.mark.parametrize("behind_s", [0.3, 3600.0])
def test_when_another_clock_is_behind_expect_what_to_do_about_it(behind_s):
    listener = Listener()
    listener.take(TODAY_S - behind_s)
    fault = listener.stream.fault(listener.now)
    assert fault.fault is Fault.OLD
    assert "received 0.000 s ago" in fault.detail and "synchronise the clocks" in fault.detail


def test_when_nothing_comes_any_more_expect_no_word_about_clocks():
    listener = Listener()
    listener.take(TODAY_S)
    listener.passed_s += 1.0
    assert "clock" not in listener.stream.fault(listener.now).detail
