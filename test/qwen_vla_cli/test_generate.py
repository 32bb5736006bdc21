"""`qwen-vla generate`: a policy's own episodes, from the command line."""

from argparse import ArgumentParser

import numpy as np
import pytest

from qwen_vla_cli import generate
from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.resources import SHIPPED_CHECKPOINT, embodiments_directory
from qwen_vla_data.episode import Episode
from qwen_vla_eval.policy_driver import policy_driver
from qwen_vla_sim.generate import record_episode
from qwen_vla_sim.registry import make_tasks, make_world
from robots import stranger

SEED = 20_000


@pytest.fixture
def command(tmp_path):
    """The command with the shipped policy at the wheel; returns the folder it writes."""

    def run(robot, first_seed, *options):
        out, parser = tmp_path / f"{first_seed}", ArgumentParser()
        generate.add_arguments(parser)
        checkpoint = ["--checkpoint", str(SHIPPED_CHECKPOINT)]
        scenes = ["--first-seed", str(first_seed), "--episodes", "1", *options]
        more = ["--workers", "1", "--out", str(out)]
        generate.run(parser.parse_args(["--embodiment", robot, *checkpoint, *scenes, *more]))
        return out

    return run


@pytest.mark.long
def test_when_a_policy_drives_expect_episodes_that_their_seed_decides(command):
    path = embodiments_directory() / "mobile_base.yaml"
    codec = EmbodimentCodec(load_embodiment(path))
    driver, _ = policy_driver(SHIPPED_CHECKPOINT, path)
    world, (task, *_) = make_world(codec.embodiment), make_tasks(codec.embodiment).values()
    record_episode(codec, world, task, SEED, driver)
    second = record_episode(codec, world, task, SEED + 1, driver)
    world.close()
    folder = command("mobile_base", SEED + 1, "--task", task.name)  # in a process of its own
    alone = Episode.load(folder / f"{SEED + 1}.npz")
    assert len(set(second.images["front"])) > 3  # it moves
    np.testing.assert_array_equal(second.commanded_TD, alone.commanded_TD)
    np.testing.assert_array_equal(second.actions_NTHC, alone.actions_NTHC)
    assert second.images == alone.images


def test_when_the_weights_do_not_know_the_robot_expect_refusal_before_anything_is_written(
    command, tmp_path
):
    unknown = stranger(tmp_path)
    with pytest.raises(QwenVlaError, match="not trained for stranger"):
        command(str(unknown), SEED)
    assert list(tmp_path.iterdir()) == [unknown]


def test_when_a_seed_belongs_to_the_evaluation_expect_refusal(command, tmp_path):
    with pytest.raises(QwenVlaError, match="seeds below 10000 are for evaluation; got 7"):
        command("widowx", 7)
    assert not list(tmp_path.iterdir())
