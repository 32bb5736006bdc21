"""Phases are timed one by one, and nothing of a pass is lost between them."""

import time

import numpy as np
import pytest
import torch

from qwen_vla_model.speed.timing import TOTAL, Timing, measure, warm_up

CPU = torch.device("cpu")


def busy(seconds):
    def phase():
        end_s = time.perf_counter() + seconds
        while time.perf_counter() < end_s:
            pass

    return phase


def test_when_phases_take_different_times_expect_each_measured_and_their_sum():
    passes = []
    timings = measure({"long": busy(4e-3), "short": busy(1e-3)}, CPU, 9, lambda: passes.append(1))
    assert len(passes) == timings["long"].n == 9
    assert timings["long"].median_ms >= 4.0 and 1.0 <= timings["short"].median_ms < 4.0
    parts = timings["long"].median_ms + timings["short"].median_ms
    assert timings[TOTAL].median_ms == pytest.approx(parts, rel=0.2)


def test_when_passes_are_summarised_expect_their_percentiles():
    timing = Timing.of(np.arange(1.0, 101.0))
    assert (timing.median_ms, timing.n) == (50.5, 100)
    assert 90.0 <= timing.p90_ms <= 91.0 and 99.0 <= timing.p99_ms <= 100.0


def test_when_warming_up_expect_the_slow_first_pass_reported():
    slow_once = iter([busy(5e-3)])
    taken_ms = warm_up({"a": lambda: next(slow_once, lambda: None)()}, CPU, 3)
    assert len(taken_ms) == 3 and taken_ms[0] >= 5.0 > taken_ms[1]
