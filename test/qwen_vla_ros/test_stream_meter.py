"""Rates and ages of streams."""

import math

import pytest

from qwen_vla_ros.stream_meter import StreamMeter


def test_when_messages_come_expect_their_rate_since_the_last_report_and_the_last_ones_age():
    meter = StreamMeter(10.0)
    for tick in range(100):
        meter.count("joints", 10.0 + 0.02 * tick)
    first = meter.values(12.0)
    assert first["rate_joints_hz"] == pytest.approx(50.0)
    assert first["age_joints_s"] == pytest.approx(0.02)
    silent = meter.values(13.0)
    assert silent["rate_joints_hz"] == 0.0 and silent["age_joints_s"] == pytest.approx(1.02)


def test_when_nothing_was_ever_received_expect_the_stream_named_all_the_same():
    meter = StreamMeter(0.0, ["front"])
    meter.add("wrist")
    assert meter.values(1.0) == {
        "rate_front_hz": 0.0,
        "age_front_s": math.inf,
        "rate_wrist_hz": 0.0,
        "age_wrist_s": math.inf,
    }
