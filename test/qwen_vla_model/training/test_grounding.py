"""Boxes in words behind the prompt: what is asked, what counts, and who may see it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from micro_processor import micro_processor
from qwen_vla_model.training.grounding import (
    Forecast,
    answer,
    answer_loss,
    box,
    point_out,
    without_answers,
)
from robots import robot, two_arms_text

ARMS = robot(two_arms_text())
BOX = np.array([0.25, 0.5, 0.4, 0.999])
HIDDEN = np.full(4, np.nan)


@pytest.fixture
def network():
    return micro_processor(ARMS)


def ask(processor, instructions, answers=None):
    P = len(instructions)
    image = torch.arange(32 * 32 * 3, dtype=torch.uint8).view(1, 1, 32, 32, 3)
    views = [image for _ in ARMS.cameras]
    states = np.zeros((P, len(ARMS.state_channels)))
    return processor(views, [0] * P, instructions, states, answers)


def losses_of(network):
    """Token after token, and all of them at once."""
    model, processor = network
    forecast = Forecast(model.config.backbone_config().text_config.hidden_size)

    def next_token(inputs, boxes):
        return answer_loss(model, inputs, model.read(inputs), processor.pad)

    def all_at_once(inputs, boxes):
        return forecast.loss(model.read(inputs), inputs.mask_PL, torch.tensor(np.stack(boxes)))

    return next_token, all_at_once


@given(st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4))
def test_when_a_box_is_put_into_words_expect_it_back_within_a_thousandth(corners):
    words = answer(np.array(corners))
    assert len(words) == 15 and np.abs(box(words) - corners).max() <= 1e-3


@pytest.mark.parametrize("words", ["", "123 456 789", "12 345 678 901", "a23 456 789 012"])
def test_when_words_are_no_box_expect_nan(words):
    assert np.isnan(box(words)).all()


def test_when_a_thing_is_out_of_sight_expect_no_words_and_no_part_in_the_loss(network):
    _, processor = network
    assert answer(HIDDEN) == ""
    instructions = ["lift the red cup", "lift the blue cup"]
    alone = ask(processor, instructions[:1], [answer(BOX)])
    both = ask(processor, instructions, [answer(BOX), ""])
    neither = ask(processor, instructions, ["", ""])
    for loss in losses_of(network):
        torch.testing.assert_close(loss(alone, [BOX]), loss(both, [BOX, HIDDEN]))
        assert loss(neither, [HIDDEN, HIDDEN]) == 0.0


def test_when_prompts_differ_in_length_expect_each_answer_to_count_as_alone(network):
    _, processor = network
    instructions = ["lift", "put the red cup onto the blue plate"]
    boxes = [BOX, BOX / 2]
    answers = [answer(box) for box in boxes]
    together = ask(processor, instructions, answers)
    alone = [ask(processor, [i], [a]) for i, a in zip(instructions, answers, strict=True)]
    for loss in losses_of(network):
        each = [loss(inputs, [box]) for inputs, box in zip(alone, boxes, strict=True)]
        torch.testing.assert_close(loss(together, boxes), sum(each) / 2)


def test_when_answers_follow_expect_the_expert_to_see_what_it_sees_without_them(network):
    model, processor = network
    instructions = ["lift", "put the red cup onto the blue plate"]
    asked = ask(processor, instructions, [answer(BOX), answer(BOX / 2)])
    plain = ask(processor, instructions)
    prompts, hidden_PLE = without_answers(asked, model.read(asked), plain.input_ids_PL.shape[1])
    assert torch.equal(prompts.mask_PL, plain.mask_PL)
    assert torch.equal(
        prompts.input_ids_PL.where(plain.mask_PL, 0), plain.input_ids_PL.where(plain.mask_PL, 0)
    )
    seen = plain.mask_PL[..., None]
    torch.testing.assert_close(hidden_PLE.where(seen, 0.0), model.read(plain).where(seen, 0.0))


def test_when_a_network_has_learned_where_a_thing_is_expect_it_to_point_there(network):
    model, processor = network
    instructions, boxes = ["red", "the blue cup"], [BOX, np.array([0.1, 0.2, 0.3, 0.4])]
    inputs = ask(processor, instructions, [answer(box) for box in boxes])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(300):
        loss = answer_loss(model, inputs, model.read(inputs), processor.pad)
        if loss < 0.05:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    predicted = point_out(model, ask(processor, instructions), processor.tokenizer)
    np.testing.assert_allclose(predicted, boxes, atol=1e-3)
