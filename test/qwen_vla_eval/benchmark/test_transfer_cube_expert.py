"""The expert of gym-aloha's cube, in a world without physics; with it: make benchmark-test."""

import numpy as np
import pytest

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.embodiment.kinematics import ArmKinematics
from qwen_vla_eval.benchmark.benchmarks import BENCHMARKS
from qwen_vla_eval.benchmark.client import transfer_cube_expert, vx300s
from qwen_vla_eval.benchmark.client.rotations import turn

ROBOT = load_embodiment(BENCHMARKS["aloha"].embodiment)
START = np.array([0.0, -0.96, 1.16, 0.0, -0.3, 0.0, 0.1] * 2)
BESIDE_M = 0.02
"""Half of the cube, which a finger stops at."""


@pytest.mark.parametrize(("name", "arm"), [("left_arm", vx300s.LEFT), ("right_arm", vx300s.RIGHT)])
def test_when_joints_are_given_expect_the_tool_where_the_embodiment_has_it(name, arm):
    group = next(group for group in ROBOT.groups if group.name == name)
    chain = group.action.kinematics
    joints = np.array([0.3, -0.5, 0.7, 0.2, -0.4, 0.9])
    base = np.eye(4)
    base[:3, :3], base[:3, 3] = turn("z", chain.mount_rpy_rad[2]), chain.mount_m
    expected = base @ ArmKinematics(group).forward(joints)
    position, rotation = arm.forward(joints)
    assert position == pytest.approx(expected[:3, 3], abs=1e-5)
    assert rotation == pytest.approx(expected[:3, :3], abs=1e-5)
    assert arm.inverse(position, rotation, joints + 0.1) == pytest.approx(joints, abs=1e-3)


def carried_out(cube_m, joints):
    """Steps until the left fingers close on a lifted cube; arms that follow at once."""
    commanded, cube = joints.copy(), np.array(cube_m)
    for step in range(300):
        measured = commanded.copy()
        right_m, _ = vx300s.RIGHT.forward(measured[7:13])
        left_m, _ = vx300s.LEFT.forward(measured[:6])
        held = commanded[13] < 0.62 and np.linalg.norm(right_m - cube) < BESIDE_M
        if held:
            measured[13] = max(measured[13], 0.62)
            cube = right_m.copy()
        if commanded[6] < 0.62 and np.linalg.norm(left_m - cube) < BESIDE_M and cube[2] > 0.1:
            return step
        action = transfer_cube_expert.act(measured, commanded, np.append(cube, [1, 0, 0, 0]))
        assert np.isfinite(action).all()
        assert np.abs(action - commanded)[[*range(6), *range(7, 13)]].max() <= 0.06 + 1e-9
        commanded = action
    return None


@pytest.mark.parametrize("cube_m", [(0.0, 0.4, 0.02), (0.2, 0.6, 0.02), (0.1, 0.5, 0.02)])
def test_when_the_cube_lies_anywhere_expect_it_handed_over_in_time(cube_m):
    assert carried_out(cube_m, START) < 250


def test_when_the_arms_begin_elsewhere_expect_the_cube_handed_over_all_the_same():
    begin = START + 0.15 * np.random.default_rng(0).uniform(-1, 1, 14)
    assert carried_out((0.12, 0.45, 0.02), begin) < 300
