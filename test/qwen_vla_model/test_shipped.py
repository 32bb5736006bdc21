"""The shipped weights do what they did when they were shipped, to rounding on any CPU."""

import json
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qwen_vla_core.embodiment import find_embodiment, load_embodiment
from qwen_vla_core.execution import Prefix
from qwen_vla_core.observation.empty_scene import empty_scene
from qwen_vla_core.resources import embodiments_directory
from qwen_vla_model.policy import QwenVlaPolicy

EXPECTED = {
    "widowx": {
        "free": [0.5248, -0.8631],
        "prefix": [-0.3131, -0.8547],
    },
    "aloha": {
        "free": [-1.163, -0.8017],
        "prefix": [-1.0196, -0.7641],
    },
    "mobile_base": {
        "free": [0.4802, -0.3097],
        "prefix": [0.8625, -0.2022],
    },
}
"""Sums over the channels of the fifth and the last step, of the first noise of seed 1."""


@pytest.mark.parametrize("name", EXPECTED)
def test_when_a_shipped_policy_sees_a_fixed_scene_expect_the_chunk_that_it_always_made(name):
    robot = load_embodiment(find_embodiment(name, embodiments_directory()))
    policy, rng = QwenVlaPolicy.load(None, robot), np.random.default_rng(0)
    seen = empty_scene(robot)
    images = {k: rng.integers(0, 255, (480, 640, 3), dtype=np.uint8) for k in seen.images}
    seen = replace(seen, images=images)
    ahead_NC = np.full((6, len(robot.action_channels)), 0.1, np.float32)
    policy.reseed(1)
    chunks = {
        "free": policy.infer(seen),
        "prefix": policy.infer(seen, Prefix(actions_NC=ahead_NC, committed=3)),
    }
    for kind, expected in EXPECTED[name].items():
        np.testing.assert_allclose(chunks[kind][[4, -1]].sum(1), expected, atol=2e-3)


@pytest.mark.long  # test_freed_memory.py is the quick one
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep memory")
def test_when_passes_follow_one_another_expect_their_memory_kept():
    """Without it each fetches some ten thousand pages anew, for an eighth of its time."""
    script = Path(__file__).parents[1] / "page_faults.py"
    asked = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert np.mean(json.loads(asked.stdout)[4:]) < 1000
