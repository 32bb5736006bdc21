"""Deadlines expire when they should, and never by an unset timeout."""

import math

import pytest

from qwen_vla_core.safety import Watchdog


def test_when_a_name_falls_silent_expect_it_and_its_age():
    watchdog = Watchdog({"joints": 0.1, "teleop": 0.2})
    watchdog.feed("joints", 100.0)
    watchdog.feed("teleop", 100.0)
    assert watchdog.expired(100.09) == ()
    (silent,) = watchdog.expired(100.15)
    assert (silent.name, silent.timeout_s) == ("joints", 0.1)
    assert silent.age_s == pytest.approx(0.15)
    assert str(silent) == "joints: silent for 0.150 s, limit 0.100 s"
    watchdog.feed("joints", 100.15)
    assert watchdog.expired(100.15) == ()


def test_when_a_name_was_never_received_expect_it_expired_from_the_start():
    (silent,) = Watchdog({"estop": 0.5}).expired(0.0)
    assert math.isinf(silent.age_s) and str(silent) == "estop: nothing received"


@pytest.mark.parametrize("timeout_s", [None, 0.0, -1.0, math.nan, math.inf])
def test_when_a_timeout_would_never_or_always_expire_expect_an_error(timeout_s):
    with pytest.raises(ValueError, match="joints: timeout"):
        Watchdog({"joints": timeout_s})


def test_when_nobody_watches_a_name_expect_an_error():
    with pytest.raises(KeyError):
        Watchdog({"joints": 0.1}).feed("jionts", 0.0)


def test_when_news_come_out_of_order_expect_the_latest_to_count():
    watchdog = Watchdog({"joints": 0.1})
    watchdog.feed("joints", 100.0)
    watchdog.feed("joints", 99.8)  # by a callback that was overtaken
    assert watchdog.expired(100.05) == ()
