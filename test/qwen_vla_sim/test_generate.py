"""Recording: episodes that can be repeated, resumed and never overlap with the evaluation."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_data.episode import Episode
from qwen_vla_sim.generate import generate, record_episode
from qwen_vla_sim.registry import make_tasks, make_world

WIDOWX = Path(__file__).parents[2] / "embodiments" / "widowx.yaml"
BASE = WIDOWX.with_name("mobile_base.yaml")
"""Where any robot does: its episodes are quickly recorded."""
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


class WithoutWorkers:
    """A pool whose work is done in this process: most tests ask what is recorded, not by whom."""

    def __init__(self, workers):
        self.map = map

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


@pytest.fixture
def without_workers(monkeypatch):
    monkeypatch.setattr("qwen_vla_sim.generate.WorkerPool", WithoutWorkers)


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


def test_when_a_block_is_held_expect_its_sentence_alone_done_and_only_at_the_end(episode):
    assert episode.done_NT[0, -3:].all() and not episode.done_NT[0, :-6].any()
    assert not episode.done_NT[1:].any()


def test_when_things_are_named_expect_the_boxes_that_the_sentences_have(episode):
    assert len(episode.things) == len(episode.instructions)
    for thing, seen_TV4, sentence, box_TV4 in zip(
        episode.things, episode.seen_KTV4, episode.instructions, episode.boxes_NTV4, strict=True
    ):
        assert thing.split()[0] in sentence
        np.testing.assert_array_equal(seen_TV4, box_TV4)


def test_when_images_are_stored_expect_the_model_s_size(codec, episode):
    for camera in codec.embodiment.cameras:
        for png in episode.images[camera.name]:
            shape = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).shape
            assert shape == (camera.height, camera.width, 3)


def test_when_recording_is_repeated_expect_only_what_is_missing_to_be_done(tmp_path):
    generate(BASE, tmp_path, first_seed=SEED, episodes=1, workers=1)
    kept = tmp_path / f"{SEED}.npz"
    before = kept.stat().st_mtime_ns
    generate(BASE, tmp_path, first_seed=SEED, episodes=2, workers=1)
    assert kept.stat().st_mtime_ns == before
    assert Episode.load(tmp_path / f"{SEED + 1}.npz").seed == SEED + 1


@pytest.fixture
def another_robot(tmp_path):
    file = tmp_path / "mobile_base.yaml"
    file.write_text(BASE.read_text().replace("width: 96", "width: 144"))
    return file


def test_when_the_folder_is_of_another_robot_task_or_driver_expect_refusal_and_nothing_lost(
    tmp_path, another_robot, without_workers
):
    out = tmp_path / "episodes"
    generate(BASE, out, SEED, episodes=1, workers=1, task="go_to")
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    again = {"out": out, "first_seed": SEED, "episodes": 2, "workers": 1}
    with pytest.raises(QwenVlaError, match="episodes has episodes of another embodiment .see"):
        generate(another_robot, task="go_to", **again)
    with pytest.raises(QwenVlaError, match="of another task and driver"):
        generate(BASE, task=None, driver_name="checkpoint 1", **again)
    with pytest.raises(QwenVlaError, match="of another look"):
        generate(BASE, task="go_to", diverse=True, **again)
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before


def test_when_diverse_episodes_are_requested_expect_the_same_motion_under_another_look(
    tmp_path, episode, without_workers
):
    generate(WIDOWX, tmp_path, SEED, episodes=1, workers=1, diverse=True)
    diverse = Episode.load(tmp_path / f"{SEED}.npz")
    assert diverse.instructions != episode.instructions
    assert diverse.images["wrist"][0] != episode.images["wrist"][0]
    np.testing.assert_array_equal(diverse.positions_TD[0], episode.positions_TD[0])
    with pytest.raises(QwenVlaError, match="of another task and look"):
        generate(WIDOWX, tmp_path, SEED, episodes=2, workers=1, task="pick_up")


def test_when_one_instruction_is_requested_expect_only_scenes_that_ask_for_it(
    tmp_path, without_workers
):
    asked = {"task": "go_to", "instruction": "go to the red pillar"}
    generate(BASE, tmp_path, SEED, episodes=2, workers=1, **asked)
    episodes = [Episode.load(file) for file in sorted(tmp_path.glob("*.npz"))]
    assert len(episodes) == 2 and all("red pillar" in one.instructions[0] for one in episodes)
    with pytest.raises(QwenVlaError, match="of another instruction"):
        generate(BASE, tmp_path, SEED, episodes=2, workers=1, task="go_to")


def test_when_nothing_asks_for_the_instruction_expect_refusal_and_no_folder(tmp_path):
    out = tmp_path / "episodes"
    with pytest.raises(QwenVlaError, match="no scene of pick_up asks for 'pick up the pink"):
        generate(WIDOWX, out, SEED, 2, 1, task="pick_up", instruction="pick up the pink block")
    assert not out.exists()


def test_when_episodes_are_there_and_nothing_says_of_what_expect_refusal(tmp_path, episode):
    episode.save(tmp_path / f"{SEED}.npz")
    with pytest.raises(QwenVlaError, match="another embodiment and task and driver"):
        generate(WIDOWX, tmp_path, first_seed=SEED, episodes=1, workers=1)


def test_when_what_says_whose_episodes_these_are_is_damaged_expect_the_file_named(tmp_path):
    (tmp_path / "origin.json").write_text('{"task": "pick')
    with pytest.raises(QwenVlaError, match=r"origin\.json: .*choose another folder"):
        generate(WIDOWX, tmp_path, first_seed=SEED, episodes=1, workers=1)


class StandStill:
    """A policy that keeps the commanded position."""

    def __init__(self, codec):
        self.codec, self.asked = codec, []

    def infer(self, observation, prefix=None):
        self.asked.append(observation)
        still_C = self.codec.still(observation.commanded_D)
        return np.tile(still_C, (self.codec.embodiment.horizon, 1)).astype(np.float32)


def test_when_a_policy_drives_expect_where_it_leads_and_what_the_expert_would_have_done_there(
    codec, episode
):
    world, tasks = make_world(codec.embodiment), make_tasks(codec.embodiment)
    policy, seeds = StandStill(codec), []
    tasks["pick_up"].time_limit_s = 4.0

    def driver(seed):
        seeds.append(seed)
        return policy

    led = record_episode(codec, world, tasks["pick_up"], SEED, driver)
    steps = round(tasks["pick_up"].time_limit_s * codec.embodiment.action_hz)
    assert seeds == [SEED] and len(led.states_TS) == steps  # nothing is ever picked up
    assert len(policy.asked) == -(-steps // codec.embodiment.replan_steps)
    assert {asked.instruction for asked in policy.asked} == {led.instructions[0]}
    np.testing.assert_allclose(
        led.commanded_TD, np.tile(led.commanded_TD[0], (steps, 1)), atol=1e-3
    )
    np.testing.assert_array_equal(led.actions_NTHC[:, 0], episode.actions_NTHC[:, 0])
    ways = np.linalg.norm(led.actions_NTHC[0, :, :, :3].sum(axis=1), axis=-1)
    assert (ways > 0.05).all()  # at every step the expert would go


def test_when_seeds_of_the_evaluation_are_requested_expect_a_refusal(tmp_path):
    with pytest.raises(QwenVlaError, match="evaluation"):
        generate(WIDOWX, tmp_path, first_seed=0, episodes=1, workers=1)
