"""What a joint_trajectory_controller makes of our stream: no faster, no farther, soon at rest."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_controllers import JTC_HUMBLE, JTC_JAZZY, Trajectory
from qwen_vla_core.embodiment.schema.driver.ros2_control import TRAJECTORY_PERIODS
from qwen_vla_ros.drivers.joint_trajectory_controller import trajectory

COMMAND_HZ = 50.0
PERIOD_S = 1.0 / COMMAND_HZ
LASTS_S = TRAJECTORY_PERIODS / COMMAND_HZ
SPEED = 1.5
CONTROLLERS = {"humble": JTC_HUMBLE, "jazzy": JTC_JAZZY}
FASTEST = 2.0
"""Times the speed limit for one update of the controller: what docs/ros2_control.md says."""
LATE_S = 0.008
"""How late a command may be, s: the budget is 5 ms."""


def stream(shares, late_s):
    """When commands are sent, s, and where to: as the safety filter lets them through.

    Args:
        shares: of the speed limit, one a period. late_s: how much later than its period each is.
    """
    sent_s = np.arange(len(shares)) * PERIOD_S + np.array(late_s)
    steps_s = np.minimum(np.diff(sent_s, prepend=-PERIOD_S), PERIOD_S)
    return sent_s, np.cumsum(SPEED * np.array(shares) * steps_s)


def play(parameters, sent_s, commands, update_hz, lag_s=0.03, after_s=0.1):
    """Times, s, and positions that the controller commands; the arm is behind by ``lag_s``."""
    law = Trajectory({"joint": 0.0}, parameters, 1.0 / update_hz)
    measured, due = 0.0, list(zip(sent_s, commands, strict=True))
    times, positions = [], []
    for now_s in np.arange(-0.02, sent_s[-1] + after_s, 1.0 / update_hz):
        while due and due[0][0] <= now_s:
            law.receive(trajectory(["joint"], np.array([due.pop(0)[1]]), LASTS_S))
        times.append(now_s)
        positions.append(law.update(now_s, {"joint": measured})["joint"])
        measured += min(1.0 / update_hz / lag_s, 1.0) * (positions[-1] - measured)
    assert law.refused == [] and not due
    return np.array(times), np.array(positions)


shares = st.lists(st.floats(-1.0, 1.0), min_size=2, max_size=30)
rates = st.sampled_from([100, 125, 200, 333, 500, 1000])


@pytest.mark.parametrize("release", CONTROLLERS)
@given(shares, st.lists(st.floats(0.0, LATE_S), min_size=30, max_size=30), rates)
@settings(max_examples=100, deadline=None)
def test_when_commands_are_streamed_expect_no_overshoot_no_jump_and_rest_after_the_last(
    release, shares, late_s, update_hz
):
    sent_s, commands = stream(shares, late_s[: len(shares)])
    times_s, positions = play(CONTROLLERS[release], sent_s, commands, update_hz)
    assert min(0.0, *commands) - 1e-9 <= positions.min()
    assert positions.max() <= max(0.0, *commands) + 1e-9
    step = FASTEST * SPEED / update_hz + 1e-6
    assert np.abs(np.diff(positions, prepend=0.0)).max() <= step
    at_rest = positions[times_s >= sent_s[-1] + LASTS_S + 1.0 / update_hz + 1e-6]
    np.testing.assert_allclose(at_rest, commands[-1], atol=1e-9)


def test_when_a_controller_begins_at_the_measured_pose_expect_the_jumps_for_which_it_is_refused():
    sent_s, commands = stream([1.0] * 30, [0.0] * 30)
    for parameters in (
        JTC_HUMBLE | {"open_loop_control": False},
        JTC_JAZZY | {"interpolate_from_desired_state": False},
    ):
        _, positions = play(parameters, sent_s, commands, 500)
        assert np.diff(positions).min() < -0.02  # back by the lag, 30 ms at 1.5 rad/s
