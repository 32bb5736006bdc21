"""What the bench of the simulator says."""

from pathlib import Path

import pytest

from qwen_vla_eval.bench.sim import measure_sim, rate, tables
from qwen_vla_eval.tables import show

WIDOWX = Path(__file__).parents[3] / "embodiments" / "widowx.yaml"


@pytest.mark.long
def test_when_a_robot_is_measured_expect_every_figure_above_zero(capsys):
    robot = measure_sim(WIDOWX, seconds=1, workers=1)
    assert robot["steps_per_s"] * robot["timestep_s"] > 1.0
    assert set(robot["cameras"]) == {"over_shoulder", "wrist"}
    assert all(camera["frames_per_s"] > 1.0 for camera in robot["cameras"].values())
    assert set(robot["tasks"]) == {"pick_up", "put_on_plate"}
    assert all(task["episodes_per_min"] > 0.0 for task in robot["tasks"].values())
    show(tables(robot))
    shown = capsys.readouterr().out
    assert "times real time" in shown and "put_on_plate" in shown


def test_when_calls_are_counted_expect_the_first_left_out():
    calls = []
    per_s = rate(lambda: calls.append(len(calls)), 0.01)
    assert per_s <= (len(calls) - 1) / 0.01
