"""An arm that is not where it was sent is a fault after two periods."""

import numpy as np
import pytest

from qwen_vla_core.safety import Tracking, TrackingMonitor

FAR, NEAR = np.array([0.0, 0.3]), np.array([0.0, 0.1])


def monitor():
    return TrackingMonitor(("waist", "elbow"), np.array([0.2, 0.2]))


@pytest.mark.parametrize("measured_D", [FAR, -FAR, np.array([np.nan, 0.0])])
def test_when_a_joint_is_off_for_two_periods_expect_a_fault(measured_D):
    tracking = monitor()
    assert tracking.update(measured_D, np.zeros(2)).verdict is Tracking.STRAYING
    assert tracking.update(measured_D, np.zeros(2)).verdict is Tracking.FAULT
    assert tracking.update(measured_D, np.zeros(2)).verdict is Tracking.FAULT


def test_when_a_joint_is_off_expect_it_named():
    assert monitor().update(FAR, np.zeros(2)).detail == "elbow is 0.300 off, limit 0.200"


def test_when_the_arm_comes_back_in_between_expect_no_fault():
    tracking = monitor()
    for measured_D in (FAR, NEAR, FAR):
        report = tracking.update(measured_D, np.zeros(2))
        assert report.verdict is not Tracking.FAULT
    tracking.reset()
    assert tracking.update(FAR, np.zeros(2)).verdict is Tracking.STRAYING


@pytest.mark.parametrize("limit_D", [[0.0, 1.0], [np.nan, 1.0], [1.0]])
def test_when_a_limit_makes_no_sense_expect_an_error(limit_D):
    with pytest.raises(ValueError, match="tracking limits"):
        TrackingMonitor(("waist", "elbow"), limit_D)
