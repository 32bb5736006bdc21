"""What is shown of a policy is what it does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.types import Observation
from qwen_vla_model.introspection import denoising, predictions
from qwen_vla_model.policy import QwenVlaPolicy

ROOT = Path(__file__).parents[2]
WIDOWX = load_embodiment(ROOT / "embodiments" / "widowx.yaml")
CHECKPOINT = ROOT / "src" / "qwen_vla_model" / "checkpoints" / "generalist"
READY_D = np.array([0.0, -0.15, 0.26, 0.0, 1.46, 0.0, 0.037])


def load(seed):
    return QwenVlaPolicy.load(CHECKPOINT, WIDOWX, seed=seed)


@pytest.fixture(scope="module")
def policy():
    return load(seed=3)


def observation(instruction="pick up the red block", seed=0):
    rng = np.random.default_rng(seed)
    return Observation(
        stamp_s=0.0,
        images={c.name: rng.integers(0, 256, (96, 96, 3), np.uint8) for c in WIDOWX.cameras},
        positions_D=READY_D,
        commanded_D=READY_D,
        instruction=instruction,
    )


def test_when_a_chunk_is_watched_on_its_way_expect_it_to_end_at_what_the_robot_is_given(policy):
    steps = denoising(policy, observation(), seed=3)
    assert len(steps) == policy.runtime.model.config.euler_steps + 1
    np.testing.assert_allclose(steps[-1], load(seed=3).infer(observation()), atol=1e-5)
    assert np.abs(np.diff(steps, axis=0)).max(axis=(1, 2)).min() > 1e-3  # each step does something


def test_when_many_observations_are_looked_at_together_expect_what_each_says_alone(policy):
    shown = [
        observation(),
        observation("pick up the green block"),
        observation(seed=1),
        replace(observation(), positions_D=READY_D + 0.1),
        observation(),
    ]
    together = predictions(policy, shown, seed=5)
    for one, chunk in zip(shown, together, strict=True):
        np.testing.assert_allclose(chunk, predictions(policy, [one], seed=5)[0], atol=1e-4)
    np.testing.assert_allclose(together[0], together[-1], atol=1e-5)
    for other in together[1:-1]:
        assert np.abs(other - together[0]).max() > 1e-3
