"""Noise on recorded episodes: where it goes, and that it is of the size of a robot's actions."""

from pathlib import Path

import numpy as np
import pytest

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_sim.disturbance import Disturbance

ROBOTS = sorted((Path(__file__).parents[2] / "embodiments").glob("*.yaml"))


@pytest.mark.parametrize("path", ROBOTS, ids=lambda path: path.stem)
def test_when_actions_are_disturbed_expect_noise_on_every_channel_within_what_is_normal(path):
    robot = load_embodiment(path)
    low = np.array([q for group in robot.groups for q in group.action_normalization.q01])
    high = np.array([q for group in robot.groups for q in group.action_normalization.q99])
    middle_C = (low + high) / 2.0
    disturbance = Disturbance(10_000, robot)
    executed = np.array([disturbance.apply(middle_C[None])[0] for _ in range(500)])
    for channel, values in zip(robot.action_channels, executed.T, strict=True):
        if not (path.stem == "mobile_base" and channel == "base_dy"):  # wheels do not slip aside
            assert len(set(values)) > 100, channel
    assert np.abs((executed - middle_C) / (high - low)).max() < 1.5
    assert np.abs((np.median(executed, axis=0) - middle_C) / (high - low)).max() < 0.1


def test_when_the_seed_is_the_same_expect_the_same_luck():
    robot = load_embodiment(ROBOTS[-1])
    action = np.zeros((1, len(robot.action_channels)))
    first, again = ([Disturbance(3, robot).apply(action) for _ in range(5)] for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_when_a_chunk_of_joint_positions_is_disturbed_expect_pushes_that_add_up():
    robot = load_embodiment(next(path for path in ROBOTS if path.stem == "aloha"))
    chunks = [Disturbance(seed, robot).apply(np.zeros((16, 14)))[:, 0] for seed in range(200)]
    spread_H = np.std(chunks, axis=0)
    assert spread_H[15] > 2.0 * spread_H[0]  # a random walk: four times as far after 16 steps
