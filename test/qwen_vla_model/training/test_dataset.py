"""Episodes become what the robot sees and does: past views, missing views, canonical channels."""

import cv2
import numpy as np
import pytest
import torch

from micro_processor import micro_processor
from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_data.episode import Episode
from qwen_vla_data.lerobot.staging import stage
from qwen_vla_data.lerobot.writer import assemble
from qwen_vla_data.sources import find_episodes
from qwen_vla_model.flow_matching import SigmoidNormal
from qwen_vla_model.training.dataset import EpisodeDataset
from recordings import Waving
from robots import robot, two_arms_text
from waved_episodes import codec_of, planned, teleoperated

CANONICAL = {"channels": 80, "channel_layout": "canonical"}
ARMS = robot(two_arms_text())
STEPS = 12
UP_D = np.array([0.1, 0.1, 0.0, -0.1, 0.1, 0.0])
"""How far the joints go in a chunk for the instruction to wave up; grippers stay."""


def with_camera(*keys):
    """Both arms, their camera described by more."""
    return robot(two_arms_text().replace("tag: ego,", f"tag: ego, {', '.join(keys)},"))


def image(value):
    return cv2.imencode(".png", np.full((32, 32, 3), value, np.uint8))[1].tobytes()


@pytest.fixture
def path(tmp_path):
    """An episode that waves up or down from anywhere, its images numbered in steps of ten."""
    rng, codec = np.random.default_rng(0), EmbodimentCodec(ARMS)
    low, high = np.array([(j.lower, j.upper) for j in ARMS.joints]).T
    commanded_TD = rng.uniform(low / 2, high / 2, (STEPS, 6)).clip(low, high)
    ramp_H1 = np.linspace(0.0, 1.0, 17)[:, None]
    actions_NTHC = [
        [codec.encode(start_D + sign * ramp_H1 * UP_D) for start_D in commanded_TD]
        for sign in (1.0, -1.0)
    ]
    path = tmp_path / "1.npz"
    Episode(
        embodiment=ARMS.name,
        stride=2,
        seed=1,
        instructions=("wave up", "wave down"),
        images={"front": tuple(image(10 * t) for t in range(STEPS))},
        states_TS=np.stack([codec.state(start_D) for start_D in commanded_TD]),
        commanded_TD=commanded_TD,
        actions_NTHC=np.array(actions_NTHC),
        valid_NTH=np.ones((2, STEPS, 16), dtype=bool),
        boxes_NTV4=np.full((2, STEPS, 1, 4), np.nan),
    ).save(path)
    return path


def batch_of(data, indices, per_image=2):
    return data.batch(indices, np.random.default_rng(0), per_image)


def levels(patches):
    """The grey of each image of a view."""
    return ((patches.flatten(1).mean(1) + 1.0) * 127.5).round().int().tolist()


def test_when_a_view_has_history_expect_the_images_of_those_action_steps(path):
    looks_back = with_camera("history_steps: [2, 6]")  # one and three recorded steps
    data = EpisodeDataset(find_episodes(path), micro_processor(looks_back)[1])
    inputs = batch_of(data, [0, 2, 7]).inputs
    assert [levels(view) for view in inputs.patches] == [[0, 0, 40], [0, 10, 60], [0, 20, 70]]


def test_when_sentences_were_typed_by_people_expect_them_in_the_form_of_the_prompt(path):
    episode = Episode.load(path)
    object.__setattr__(episode, "instructions", ("Wave up.", "wave  DOWN"))
    episode.save(path)
    data = EpisodeDataset(find_episodes(path), micro_processor(ARMS)[1])
    assert data.instructions == {"wave up", "wave down"}


def test_when_history_falls_between_recorded_steps_expect_refusal(path):
    looks_back = with_camera("history_steps: [3]")
    with pytest.raises(
        QwenVlaError, match=r"1\.npz: every 2th action step.*\[3\] of camera front"
    ):
        EpisodeDataset(find_episodes(path), micro_processor(looks_back)[1])


def test_when_a_view_is_optional_expect_batches_with_and_without_it(path):
    text = two_arms_text().replace(
        "watchdogs:",
        "  - {name: rear, topic: /rear, tag: cam_left_wrist, width: 32, height: 32,\n"
        "     max_age_s: 0.5, optional: true}\nwatchdogs:",
    )
    episode = Episode.load(path)
    images = {"front": episode.images["front"], "rear": episode.images["front"]}
    object.__setattr__(episode, "images", images)
    object.__setattr__(episode, "boxes_NTV4", np.full((2, STEPS, 2, 4), np.nan))
    episode.save(path)
    data = EpisodeDataset(find_episodes(path), micro_processor(robot(text))[1])
    rng = np.random.default_rng(0)
    views = [len(data.batch([0], rng, 1).inputs.patches) for _ in range(40)]
    assert set(views) == {1, 2} and np.mean(views) > 1.6


def test_when_a_part_of_a_chunk_is_invalid_expect_it_neither_learned_nor_in_the_way(path):
    episode = Episode.load(path)
    episode.valid_NTH[:, :, 10:] = False
    episode.actions_NTHC[:, :, 10:] = np.nan
    whole = EpisodeDataset(find_episodes(path), micro_processor(ARMS)[1])
    episode.save(path)
    data = EpisodeDataset(find_episodes(path), whole.processor, whole.space)
    cut, all_of_it = batch_of(data, [3]), batch_of(whole, [3])
    assert torch.isfinite(cut.actions_PHK).all()
    assert not cut.mask_PHK[:, 10:].any() and not cut.actions_PHK[:, 10:].any()
    assert torch.equal(cut.actions_PHK[:, :10], all_of_it.actions_PHK[:, :10])


def test_when_fewer_sentences_are_used_expect_the_followed_one_among_them_but_not_in_a_question(
    path,
):
    data, rng = (
        EpisodeDataset(find_episodes(path), micro_processor(ARMS)[1]),
        np.random.default_rng(0),
    )
    acted = {data.batch([t], rng, 1).instructions for t in range(STEPS)}
    asked = {
        data.batch([t], rng, 1, question=True).instructions for t in range(STEPS) for _ in "ab"
    }
    assert acted == {("wave up",)}
    assert asked == {("wave up",), ("wave down",)}


def test_when_a_person_teleoperated_expect_what_was_commanded_next_and_no_more_than_that(path):
    """One instruction, no plans and no boxes."""
    codec, whole = EmbodimentCodec(ARMS), Episode.load(path)
    commanded_TD = whole.commanded_TD[0] + np.linspace(0.0, 0.3, 20)[:, None] * UP_D
    Episode(
        embodiment=ARMS.name,
        stride=1,
        instructions=("wave up",),
        images={"front": tuple(image(10 * t) for t in range(20))},
        states_TS=np.stack([codec.state(start_D) for start_D in commanded_TD]),
        commanded_TD=commanded_TD,
    ).save(path)
    data = EpisodeDataset(find_episodes(path), micro_processor(ARMS)[1])
    assert len(data) == 19  # nothing was commanded after the last step
    batch = batch_of(data, [0, 18])
    assert batch.instructions == ("wave up", "wave up")
    assert batch.mask_PHK.any(-1).sum(1).tolist() == [16, 1]
    decoded_PHC = data.space.decode(data.processor.take_actions(batch.actions_PHK), batch.still_PC)
    chunk = codec.decode(decoded_PHC[0], commanded_TD[0], 0.0)
    np.testing.assert_allclose(chunk.positions_TD, commanded_TD[:17], atol=2e-3)
    assert batch.boxes_P4.isnan().all()


def test_when_a_person_took_over_expect_their_steps_more_often_and_the_second_before_never(
    tmp_path,
):
    widowx = codec_of("widowx")
    modes = ["AUTONOMY"] * 20 + ["TELEOP"] * 20
    episode = teleoperated(
        widowx, 40, modes_T=np.array(modes), interventions_T=np.arange(40) >= 20
    )
    episode.save(tmp_path / "1.npz")
    processor = micro_processor(widowx.embodiment)[1]
    data = EpisodeDataset(find_episodes(tmp_path), processor, takeovers=3)
    learned = [t for *_, t in data.steps]
    assert learned == [*range(15), *(t for t in range(20, 39) for _ in range(3))]


def test_when_the_robot_was_not_observed_for_a_moment_expect_its_actions_and_not_that_step(
    tmp_path,
):
    widowx = codec_of("widowx")
    unseen = {"observed_T": np.arange(40) != 7}
    teleoperated(widowx, 40, left_out="9.0 s are left out", **unseen).save(tmp_path / "1.npz")
    data = EpisodeDataset(find_episodes(tmp_path), micro_processor(widowx.embodiment)[1])
    assert [t for *_, t in data.steps] == [t for t in range(39) if t != 7]
    assert batch_of(data, [6]).mask_PHK[0].any(-1).all()
    assert data.lacking == 1


def test_when_a_recording_begins_before_a_person_engages_expect_nothing_learned_of_that(tmp_path):
    widowx = codec_of("widowx")
    modes = ["HOLD"] * 5 + ["TELEOP"] * 30 + ["HOLD"] * 5
    teleoperated(widowx, 40, modes_T=np.array(modes)).save(tmp_path / "1.npz")
    data = EpisodeDataset(find_episodes(tmp_path), micro_processor(widowx.embodiment)[1])
    assert [t for *_, t in data.steps] == [*range(5, 35)]


def test_when_no_episode_is_as_long_as_a_chunk_expect_that_in_words(path):
    episode = Episode.load(path)
    episode.valid_NTH[:, :, 10:] = False
    episode.save(path)
    with pytest.raises(QwenVlaError, match="shorter than one chunk, 16 action steps"):
        EpisodeDataset(find_episodes(path), micro_processor(ARMS)[1])


def test_when_a_network_learns_canonical_channels_expect_the_motion_of_its_instruction(path):
    model, processor = micro_processor(ARMS, **CANONICAL)
    data = EpisodeDataset(find_episodes(path), processor)
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    tau = SigmoidNormal(kind="sigmoid_normal", mean=1.5, std=1.0)
    for step in range(30):
        order = np.random.default_rng(step).permutation(STEPS)
        batch = batch_of(data, order[:6].tolist())
        loss = model.loss(
            batch.inputs, batch.actions_PHK, batch.mask_PHK, draws=4, tau=tau, generator=generator
        )
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    batch = batch_of(data, list(range(STEPS)))
    predicted = model.predict(batch.inputs, generator)
    assert not predicted[..., ~batch.inputs.valid_PHK[0, 0]].any()  # unused channels stay empty
    still_PC = batch.still_PC
    told, asked = (
        data.space.decode(processor.take_actions(chunk), still_PC) - still_PC[:, None]
        for chunk in (predicted, batch.actions_PHK)
    )
    joints = [0, 1, 3, 4]
    assert np.abs(asked[:, -1, joints]).min() > 0.03
    assert np.abs(told - asked)[..., joints].mean() < 0.3 * np.abs(asked)[..., joints].mean()


@pytest.mark.parametrize("kind", ["a person's", "an expert's", "a recording"])
def test_when_a_lerobot_folder_is_learned_from_expect_the_samples_of_its_episodes(tmp_path, kind):
    widowx = codec_of("widowx")
    for number in range(2):
        if kind == "a recording":
            Waving(duration_s=5.0 + number).write(tmp_path / f"{number}.mcap")
        else:
            episode = (planned if kind == "an expert's" else teleoperated)(widowx, 24)
            episode.save(tmp_path / f"{number}.npz")
    sources = find_episodes(tmp_path)
    folder = tmp_path / "dataset"
    staged = [stage(s.load(widowx), widowx, folder, s.name, exact=True) for s in sources]
    assemble(folder, staged, "widowx")
    processor = micro_processor(widowx.embodiment)[1]
    files = EpisodeDataset(sources, processor)
    dataset = EpisodeDataset(find_episodes(folder), processor)
    assert len(files) == len(dataset) and files.space == dataset.space
    one, other = (
        data.batch([0, 3, 30], np.random.default_rng(0), per_image=1) for data in (files, dataset)
    )
    assert one.instructions == other.instructions
    for name in ("actions_PHK", "mask_PHK"):
        assert torch.equal(getattr(one, name), getattr(other, name))
    np.testing.assert_array_equal(one.still_PC, other.still_PC)
    for (_, seen, t), (_, seen_too, t_too) in zip(files.steps, dataset.steps, strict=True):
        assert t == t_too
        np.testing.assert_array_equal(np.stack(seen), np.stack(seen_too))
