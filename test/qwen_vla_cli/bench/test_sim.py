"""What the bench of the simulator says."""

import argparse
import json

from qwen_vla_cli.bench.sim import add_arguments, rate, run


def test_when_a_robot_is_measured_expect_every_figure_above_zero(tmp_path, capsys):
    file = tmp_path / "sim.json"
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = f"--embodiment widowx --seconds 1 --workers 1 --json {file}"
    assert run(parser.parse_args(words.split())) == 0
    (robot,) = json.loads(file.read_text())["robots"]
    assert robot["steps_per_s"] * robot["timestep_s"] > 1.0
    assert set(robot["cameras"]) == {"over_shoulder", "wrist"}
    assert all(camera["frames_per_s"] > 1.0 for camera in robot["cameras"].values())
    assert set(robot["tasks"]) == {"pick_up", "put_on_plate"}
    assert all(task["episodes_per_min"] > 0.0 for task in robot["tasks"].values())
    shown = capsys.readouterr().out
    assert "times real time" in shown and "put_on_plate" in shown


def test_when_calls_are_counted_expect_the_first_left_out():
    calls = []
    per_s = rate(lambda: calls.append(len(calls)), 0.01)
    assert per_s <= (len(calls) - 1) / 0.01
