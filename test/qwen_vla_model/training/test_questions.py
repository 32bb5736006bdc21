"""Questions that recordings bring with them: what is asked, and what the right answer is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from micro_processor import micro_processor
from noise_episodes import WIDOWX, record
from qwen_vla_data.episode import Episode
from qwen_vla_data.sources import find_episodes
from qwen_vla_model.training.dataset import EpisodeDataset
from qwen_vla_model.training.grounding import answer_loss, box
from qwen_vla_model.training.questions import answered, choose, questions_about
from qwen_vla_model.training.recipe import load_recipe
from qwen_vla_model.training.trainer import Trainer
from qwen_vla_model.training.validation import validate

STEPS = 4
THINGS = ("red block", "blue block", "yellow plate")
BOXES = np.array([[0.1, 0.4, 0.2, 0.5], [0.5, 0.3, 0.6, 0.42], [0.7, 0.7, 0.9, 0.9]])


@pytest.fixture
def episode(tmp_path):
    """Red stands left of blue, which is hidden at last, when the red block is picked up."""
    record(tmp_path, 10_000, STEPS)
    seen_KTV4 = np.tile(BOXES[:, None, None], (1, STEPS, 2, 1)).astype(np.float32)
    seen_KTV4[1, -1] = np.nan
    done_NT = np.zeros((2, STEPS), dtype=bool)
    done_NT[0, -1] = True
    path = tmp_path / "10000.npz"
    episode = replace(Episode.load(path), things=THINGS, seen_KTV4=seen_KTV4, done_NT=done_NT)
    episode.save(path)
    return Episode.load(path)


def dataset(tmp_path):
    return EpisodeDataset(find_episodes(tmp_path), micro_processor(WIDOWX)[1])


def test_when_a_scene_is_known_expect_what_is_where_beside_what_and_in_front(episode):
    about = questions_about(episode, 0, {"red block", "green block"})
    assert set(about) == {"where", "what", "left", "right", "nearest", "done"}
    where = dict(about["where"])
    assert where.pop("where is the green block") == "nowhere."
    for thing, box_4 in zip(THINGS, BOXES, strict=True):
        np.testing.assert_allclose(box(where.pop(f"where is the {thing}")), box_4, atol=1e-3)
    assert not where
    assert dict(about["what"])["what is at 150 450"] == "red block."
    left, right = dict(about["left"]), dict(about["right"])
    assert left["what is left of the red block"] == "nothing."
    assert left["what is left of the yellow plate"] == "blue block."  # and not the far red one
    assert right["what is right of the red block"] == "blue block."
    assert about["nearest"] == [("what is nearest", "yellow plate.")]


def test_when_a_thing_is_hidden_or_lifted_expect_no_question_that_the_view_does_not_answer(
    episode,
):
    about = questions_about(episode, STEPS - 1)
    assert "where is the blue block" not in dict(about["where"])
    assert dict(about["left"])["what is left of the yellow plate"] == "red block."
    assert "nearest" not in about


def test_when_a_task_is_done_expect_yes_for_its_sentence_alone(episode):
    at_last = dict(questions_about(episode, STEPS - 1)["done"])
    assert at_last == {
        "is it done: pick up the red block": "yes.",
        "is it done: pick up the blue block": "no.",
    }
    assert {said for _, said in questions_about(episode, 0)["done"]} == {"no."}


def test_when_two_things_are_hardly_apart_expect_neither_said_to_be_on_a_side(episode):
    episode.seen_KTV4[1, :, :, ::2] = BOXES[0, ::2] + 0.02
    left = dict(questions_about(episode, 0)["left"])
    assert "what is left of the red block" not in left
    assert "what is left of the blue block" not in left


def test_when_questions_are_chosen_expect_each_kind_and_each_answer_as_often(episode):
    about, rng = questions_about(episode, STEPS - 1), np.random.default_rng(0)
    chosen = [choose(about, rng) for _ in range(3000)]
    kinds = [kind for kind, *_ in chosen]
    assert all(abs(kinds.count(kind) / len(kinds) - 1 / len(about)) < 0.03 for kind in about)
    said = [answer for kind, _, answer in chosen if kind == "done"]
    assert abs(said.count("yes.") / len(said) - 0.5) < 0.07


def test_when_steps_are_asked_about_expect_every_second_one_where_something_is_done(
    episode, tmp_path
):
    data = dataset(tmp_path)
    asked = data.questions(np.random.default_rng(0), 40)
    (first_view,) = asked.inputs.patches
    of_last_step = data.batch([STEPS - 1], np.random.default_rng(0), 1).inputs.patches[0]
    at_last = [torch.equal(image, of_last_step[0]) for image in first_view]
    assert all(at_last[1::2]) and not all(at_last[::2])


def test_when_nobody_knows_the_answers_expect_no_questions(tmp_path):
    record(tmp_path, 10_000)
    assert dataset(tmp_path).questions(np.random.default_rng(0), 4) is None


def test_when_some_answers_are_longer_expect_each_to_count_the_same_in_the_loss(episode, tmp_path):
    model, processor = micro_processor(WIDOWX)
    images = [torch.zeros(2, 1, 96, 96, 3, dtype=torch.uint8) for _ in WIDOWX.cameras]
    states = np.zeros((2, len(WIDOWX.state_channels)))

    def loss(rows, answers):
        inputs = processor(
            [view[: len(rows)] for view in images],
            range(len(rows)),
            rows,
            states[: len(rows)],
            answers,
        )
        return answer_loss(model, inputs, model.read(inputs), processor.pad, each=True)

    short, long = loss(["is it done"], ["no."]), loss(["where is it"], ["123 456 789 012"])
    both = loss(["is it done", "where is it"], ["no.", "123 456 789 012"])
    torch.testing.assert_close(both, (short + long) / 2)


def test_when_answers_are_learned_by_heart_expect_them_right_and_others_wrong(episode, tmp_path):
    data, (model, processor) = dataset(tmp_path), micro_processor(WIDOWX)
    asked = data.questions(np.random.default_rng(0), 4)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    assert not answered(model, asked, processor.pad).all()
    for _ in range(200):
        loss = answer_loss(model, asked.inputs, model.read(asked.inputs), processor.pad, each=True)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if answered(model, asked, processor.pad).all():
            return
    raise AssertionError(f"a loss of {loss:.3g} after 200 steps")


def test_when_a_recipe_has_questions_expect_them_in_the_loss_and_measured(recipe, tmp_path):
    for path in (tmp_path / "episodes").iterdir():
        episode = Episode.load(path)
        seen_KTV4, done_NT = np.full((1, STEPS, 2, 4), 0.5), np.eye(2, STEPS, dtype=bool)
        replace(episode, things=("red block",), seen_KTV4=seen_KTV4, done_NT=done_NT).save(path)
    grounding, losses = {"steps": 0, "weight": 0.0}, []
    for each_batch in (0, 2):
        stage = {"questions": {"each_batch": each_batch}, "grounding": grounding, "max_steps": 1}
        trainer = Trainer(load_recipe(recipe("run", **stage)))
        losses.append(trainer.learn(next(trainer.batches())))
    assert losses[1] > losses[0]
    measured = validate(trainer.model, trainer.mixture.held_out["widowx"], [0], boxes=True)
    assert {"answers_right", "done_found", "done_invented"} <= measured.keys()
