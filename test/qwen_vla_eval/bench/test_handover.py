"""Hand-overs between policy and person: what is counted. `make handover` does a few of them."""

from types import SimpleNamespace

import numpy as np
import pytest

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.resources import embodiments_directory
from qwen_vla_eval.bench.handover import GOALS_MS, _percentiles, _Trials, tables
from qwen_vla_ros.teleop import DEVICES
from qwen_vla_ros.teleop.hands import HANDS

WIDOWX = load_embodiment(embodiments_directory() / "widowx.yaml")
PERIOD_S = 1.0 / WIDOWX.command_hz
SPEED, GAIN = 1.57 * PERIOD_S, 5.0 * PERIOD_S


class Operator:
    """One that received these positions of the waist, one every period."""

    def __init__(self, waist):
        self.commands = [(PERIOD_S * k, np.eye(7)[0] * x) for k, x in enumerate(waist)]
        speeds = np.diff([waist[0], *waist]) / PERIOD_S
        self.velocities = [np.eye(7)[0] * speed for speed in speeds]
        self.received_s = [PERIOD_S * k for k in range(len(waist))]

    def create_timer(self, *arguments):
        pass

    def create_publisher(self, *arguments):
        pass

    create_subscription = create_publisher


def trials(waist):
    return _Trials(SimpleNamespace(operator=Operator(waist)), WIDOWX, "joy")


def test_when_devices_are_compared_expect_a_hand_for_each():
    assert set(HANDS) == set(DEVICES)


def test_when_a_command_steps_expect_it_as_a_multiple_of_what_the_joint_may_do():
    one = trials([0.0, 0.0, 0.0, 3.0 * SPEED, 3.0 * SPEED, 3.0 * SPEED])
    one._seen._modes = [(2.5 * PERIOD_S, "TELEOP")]
    values = one._steps("takeover", "TELEOP")
    assert values["step"] == [pytest.approx(3.0)]
    assert values["gain"] == [pytest.approx(3.0 * SPEED / PERIOD_S / GAIN)]


def test_when_something_stops_the_robot_meanwhile_expect_only_what_was_before_and_the_reason():
    one = trials([0.0, 0.0, 0.0, 0.5 * SPEED, 0.5 * SPEED, 0.5 * SPEED, 9.0, 9.0])
    one._operator.mode = "HOLD: tracking fault"
    one._seen._modes = [(2.5 * PERIOD_S, "TELEOP"), (5.9 * PERIOD_S, "HOLD")]
    assert one._steps("takeover", "TELEOP")["step"] == [pytest.approx(0.5)]
    assert one._stopped == {"HOLD: tracking fault": 1}


def test_when_a_switch_is_naive_expect_the_distance_to_the_target_in_one_period():
    one = trials([0.0] * 5)
    values = one._values["takeover"]
    still_D = np.zeros(7)
    one._naive(values, np.eye(7)[0] * 0.5, still_D, still_D, still_D)
    assert values["naive_step"] == [pytest.approx(0.5 / SPEED)]
    assert values["naive_gain"] == [pytest.approx(0.5 / PERIOD_S / GAIN)]


def test_when_figures_are_shown_expect_each_way_beside_its_goal_and_the_naive_switch():
    keys = ("late_ms", "step", "gain", "naive_step", "naive_gain")
    of_way = {key: _percentiles([1.0, 2.0]) for key in keys}
    figures = dict.fromkeys(GOALS_MS, of_way) | {"refused": {}, "stopped": {"HOLD: x": 1}}
    result = {"embodiment": "widowx", "devices": {"joy": figures}}
    late, steps = tables(result)
    assert [row[0] for row in late.rows] == ["joy, takeover", "joy, hand-back"]
    assert [row[-1] for row in late.rows] == ["50", "300"]
    assert steps.rows[0][1:] == ("1.5 (2.0)",) * 4
    assert steps.title.endswith("stopped meanwhile: 1 x HOLD: x")
