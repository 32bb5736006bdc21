"""Recording: episodes that can be repeated, resumed and never overlap with the evaluation."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_core.episode import Episode
from qwen_vla_sim.generate import generate, record_episode
from qwen_vla_sim.registry import make_tasks, make_world

WIDOWX = Path(__file__).parents[2] / "embodiments" / "widowx.yaml"
SEED = 10_003


@pytest.fixture(scope="module")
def codec():
    return EmbodimentCodec(load_embodiment(WIDOWX))


@pytest.fixture(scope="module")
def record(codec):
    world, tasks = make_world(codec.embodiment), make_tasks(codec.embodiment)
    return lambda task, seed: record_episode(codec, world, tasks[task], seed)


@pytest.fixture(scope="module")
def episode(record):
    return record("pick_up", SEED)


def test_when_a_seed_is_recorded_twice_expect_the_same_episode(record, episode):
    record("pick_up", SEED + 1)
    again = record("pick_up", SEED)
    assert again.images == episode.images and again.instructions == episode.instructions
    np.testing.assert_array_equal(again.actions_NTHC, episode.actions_NTHC)


def test_when_an_episode_is_recorded_expect_one_plan_per_instruction(codec, episode):
    count = len(episode.instructions)
    assert len(set(episode.instructions)) == count in (2, 3)
    steps, horizon = len(episode.states_TS), codec.embodiment.horizon
    assert episode.actions_NTHC.shape == (count, steps, horizon, 7)
    plans = episode.actions_NTHC[:, 0, :, :3].sum(axis=1)
    assert np.linalg.norm(plans[0] - plans[1]) > 0.05  # other words, another way


def test_when_a_block_is_held_expect_no_other_instruction_to_be_valid(episode):
    held_at_the_end = episode.valid_NTH[:, -1].all(axis=-1)
    assert held_at_the_end.tolist() == [True] + [False] * (len(episode.instructions) - 1)


def test_when_images_are_stored_expect_the_model_s_size(codec, episode):
    for camera in codec.embodiment.cameras:
        for png in episode.images[camera.name]:
            shape = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).shape
            assert shape == (camera.height, camera.width, 3)


def test_when_recording_is_repeated_expect_only_what_is_missing_to_be_done(tmp_path, episode):
    kept = tmp_path / f"{SEED}.npz"
    episode.save(kept)
    before = kept.stat().st_mtime_ns
    generate(WIDOWX, tmp_path, first_seed=SEED, episodes=2, workers=1)
    assert kept.stat().st_mtime_ns == before
    assert Episode.load(tmp_path / f"{SEED + 1}.npz").seed == SEED + 1


def test_when_seeds_of_the_evaluation_are_asked_for_expect_a_refusal(tmp_path):
    with pytest.raises(ValueError, match="evaluation"):
        generate(WIDOWX, tmp_path, first_seed=0, episodes=1, workers=1)
