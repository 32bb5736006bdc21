"""Real-time chunking: a prefix is returned as it is and continued, by training or by guidance."""

import math

import pytest
import torch

from micro_qwen_vla import micro_inputs, micro_model
from qwen_vla_model.flow_matching import Beta, masked_loss
from qwen_vla_model.real_time_chunking import detours, guided, soft_mask

COMMITTED = torch.tensor([1.0, 1.0, 0.0, 0.0]).expand(2, -1)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def spoil(model, monkeypatch, where):
    """Whatever the network puts out where ``where(clean)`` says, make it something else."""
    forward, seen = model.expert.forward, []

    def spoilt(noisy, time, state, context):
        seen.append((noisy, time.clean_PDH))
        return torch.where(where(time.clean_PDH), 1e3, forward(noisy, time, state, context))

    monkeypatch.setattr(model.expert, "forward", spoilt)
    return seen


@pytest.mark.parametrize("prediction", ["velocity", "action"])
@pytest.mark.parametrize("context", ["cached", "joint"])
def test_when_a_prefix_is_given_expect_it_back_exactly_and_a_continuation_that_follows_it(
    context, prediction
):
    model, inputs = (
        micro_model(context=context, prefix_steps=3, prediction=prediction),
        micro_inputs(),
    )
    prefix = torch.randn(2, 4, 5)
    chunk = model.predict(inputs, generator(), prefix, COMMITTED)
    assert torch.equal(chunk[:, :2], prefix[:, :2])
    for shifted, follows in ((slice(0, 2), True), (slice(2, 4), False)):
        other = prefix.clone()
        other[:, shifted] += 1.0
        again = model.predict(inputs, generator(), other, COMMITTED)
        assert torch.equal(again[:, 2:], chunk[:, 2:]) is not follows


def test_when_nothing_is_committed_expect_what_is_predicted_without_a_prefix():
    model, inputs = micro_model(prefix_steps=3), micro_inputs()
    held = model.predict(inputs, generator(), torch.randn(2, 4, 5), torch.zeros(2, 4))
    torch.testing.assert_close(held, model.predict(inputs, generator()))


def test_when_trained_with_prefixes_expect_every_length_given_clean_and_none_of_it_in_the_loss(
    monkeypatch,
):
    model, inputs = micro_model(prefix_steps=3), micro_inputs()
    actions, mask = torch.randn(2, 4, 5), torch.ones(2, 4, 5, dtype=torch.bool)

    def loss():
        return model.loss(inputs, actions, mask, draws=40, tau=Beta(), generator=generator())

    expected = loss()
    seen = spoil(model, monkeypatch, lambda clean: clean[..., None])
    torch.testing.assert_close(loss(), expected)
    noisy, clean = seen[0]
    assert set(clean.sum(-1).flatten().tolist()) == {0, 1, 2, 3}
    assert (clean[..., :-1] >= clean[..., 1:]).all()  # prefixes, without holes
    given = actions[:, None].expand_as(noisy)
    assert torch.equal(noisy[clean], given[clean])
    assert not torch.isclose(noisy[~clean], given[~clean]).all(-1).any()


def test_when_trained_without_prefixes_expect_no_step_to_be_clean(monkeypatch):
    model, inputs = micro_model(), micro_inputs()
    seen = spoil(model, monkeypatch, lambda clean: torch.tensor(False))
    mask = torch.ones(2, 4, 5, dtype=torch.bool)
    model.loss(inputs, torch.randn(2, 4, 5), mask, draws=2, tau=Beta(), generator=generator())
    model.predict(inputs, generator())
    assert all(clean is None for _, clean in seen)


def test_when_prefixes_stray_expect_the_beginning_of_another_chunk_and_a_smooth_way_back():
    chunks = torch.cumsum(torch.rand(20, 24, 2, generator=generator()), dim=1)  # all lead ahead
    length = torch.tensor([[0, 1, 2, 4, 6]]).expand(20, -1)
    strayed = chunks[:, None] + detours(chunks, length)
    torch.testing.assert_close(strayed[:, 0], chunks)
    for draw, steps in enumerate(length[0].tolist()[1:], start=1):
        torch.testing.assert_close(strayed[:, draw, :steps], chunks.roll(1, dims=0)[:, :steps])
        away = (strayed[:, draw] - chunks).abs()
        assert (away[:, -1] < 0.01).all()
        assert (away[:, steps:] <= away[:, steps - 1 : steps]).all()
        assert (away[:, steps - 1 :].diff(dim=1).abs() <= 0.26 * away[:, steps - 1 : steps]).all()


@pytest.mark.parametrize("detour", [0.0, 1.0])
def test_when_prefixes_stray_or_not_expect_them_given_and_the_loss_on_what_leads_back(
    detour, monkeypatch
):
    model, inputs = micro_model(prefix_steps=3), micro_inputs()
    actions, mask = torch.randn(2, 4, 5), torch.ones(2, 4, 5, dtype=torch.bool)
    given = spoil(model, monkeypatch, lambda clean: torch.tensor(False))
    asked = []
    monkeypatch.setattr(
        "qwen_vla_model.model.masked_loss", lambda *told: asked.append(told) or masked_loss(*told)
    )
    model.loss(
        inputs, actions, mask, draws=8, tau=Beta(), generator=generator(), prefix_detour=detour
    )
    ((noisy, clean),), ((_, target, _, learned),) = given, asked
    expected = actions[:, None] + detour * detours(actions, clean.sum(-1))
    torch.testing.assert_close(target, expected)
    assert clean.any() and not clean.all()
    torch.testing.assert_close(noisy[clean], expected[clean])
    assert torch.equal(learned.all(-1), ~clean) and torch.equal(learned.any(-1), ~clean)


def test_when_the_mask_is_soft_expect_ones_then_the_published_exponential_then_zeros():
    linear = torch.tensor([1, 1, 4 / 5, 3 / 5, 2 / 5, 1 / 5, 0, 0, 0, 0])
    expected = linear * torch.expm1(linear) / (math.e - 1)
    torch.testing.assert_close(soft_mask(2, 6, 10), expected)
    assert soft_mask(3, 3, 5).tolist() == [1, 1, 1, 0, 0]
    assert soft_mask(0, 0, 3).tolist() == [0, 0, 0]


@pytest.mark.parametrize(("tau", "strength"), [(1.0, 5.0), (0.5, 2.0), (0.2, 4.25), (0.1, 5.0)])
def test_when_guided_expect_the_published_correction(tau, strength):
    """A linear denoiser, whose vector-Jacobian product can be written down."""
    matrix, offset = torch.randn(3, 3), torch.randn(3)
    y, target, weight = torch.randn(3), torch.randn(3), torch.tensor([1.0, 0.5, 0.0])

    def velocity(y, tau):
        return (y - (matrix @ y + offset)) / tau

    pull = matrix.T @ (weight * (target - (matrix @ y + offset)))
    expected = velocity(y, tau) - strength * pull
    torch.testing.assert_close(guided(velocity, target, weight)(y, tau), expected)
