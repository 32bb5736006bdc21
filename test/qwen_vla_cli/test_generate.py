"""`qwen-vla generate`: a policy's own episodes, from the command line."""

from argparse import ArgumentParser

import numpy as np
import pytest

from qwen_vla_cli import generate
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.resources import SHIPPED_CHECKPOINT
from qwen_vla_data.episode import Episode

SEED = 20_000


@pytest.fixture
def command(tmp_path):
    """The command with the shipped policy at the wheel; returns the folder it writes."""

    def run(robot, first_seed, episodes=1):
        out, parser = tmp_path / f"{first_seed}", ArgumentParser()
        generate.add_arguments(parser)
        checkpoint = ["--checkpoint", str(SHIPPED_CHECKPOINT)]
        scenes = ["--first-seed", str(first_seed), "--episodes", str(episodes)]
        more = ["--workers", "1", "--out", str(out)]
        generate.run(parser.parse_args(["--embodiment", robot, *checkpoint, *scenes, *more]))
        return out

    return run


def test_when_a_policy_drives_expect_episodes_that_their_seed_decides(command):
    name = f"{SEED + 1}.npz"
    second = Episode.load(command("widowx", SEED, episodes=2) / name)
    alone = Episode.load(command("widowx", SEED + 1) / name)
    assert np.ptp(second.commanded_TD, axis=0).max() > 0.1  # it moves
    np.testing.assert_array_equal(second.commanded_TD, alone.commanded_TD)
    assert second.images == alone.images


def test_when_the_weights_do_not_know_the_robot_expect_refusal_before_anything_is_written(
    command, tmp_path
):
    with pytest.raises(QwenVlaError, match="not trained for widowx_mobile"):
        command("widowx_mobile", SEED)
    assert not list(tmp_path.iterdir())


def test_when_a_seed_belongs_to_the_evaluation_expect_refusal(command, tmp_path):
    with pytest.raises(QwenVlaError, match="seeds below 10000 are for evaluation; got 7"):
        command("widowx", 7)
    assert not list(tmp_path.iterdir())
