"""Equations (1) and (2), the timestep distributions, and the way from noise to actions."""

from dataclasses import replace

import pytest
import torch

from micro_qwen_vla import micro_inputs, micro_model
from qwen_vla_model.flow_matching import Beta, SigmoidNormal, integrate, interpolate, masked_loss
from qwen_vla_model.model import MIN_TAU


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_when_tau_is_one_expect_noise_and_at_zero_the_action():
    actions, noise = torch.randn(2, 1, 3, 4), torch.randn(2, 1, 3, 4)
    torch.testing.assert_close(interpolate(actions, noise, torch.ones(2, 1)), noise)
    torch.testing.assert_close(interpolate(actions, noise, torch.zeros(2, 1)), actions)


def test_when_channels_differ_in_valid_steps_expect_equation_one_and_two():
    velocity, target = torch.randn(1, 1, 3, 4), torch.zeros(1, 1, 3, 4)
    mask = torch.tensor([[[1, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]], dtype=torch.bool)
    squared = velocity[0, 0].square()
    expected = (squared[:, 0].mean() + squared[0, 1]) / 2
    torch.testing.assert_close(masked_loss(velocity, target, target, mask[:, None]), expected)


def test_when_padding_holds_anything_expect_the_same_loss_and_no_gradient_there():
    velocity = torch.randn(2, 3, 4, 5, requires_grad=True)
    actions, noise = torch.randn(2, 1, 4, 5), torch.randn(2, 3, 4, 5)
    mask = torch.zeros(2, 1, 4, 5, dtype=torch.bool)
    mask[:, :, :3, :2] = True
    loss = masked_loss(velocity, actions, noise, mask)
    loss.backward()
    assert velocity.grad[..., 3:, :].eq(0).all() and velocity.grad[..., 2:].eq(0).all()
    changed = velocity.detach().clone()
    changed[..., 2:], changed[:, :, 3] = 1e6, -1e6
    torch.testing.assert_close(masked_loss(changed, actions, noise, mask), loss.detach())


def test_when_a_sample_has_no_valid_step_expect_it_left_out():
    velocity, zero = torch.ones(2, 1, 2, 2), torch.zeros(2, 1, 2, 2)
    mask = torch.tensor([True, False])[:, None, None, None].expand(-1, 1, 2, 2)
    assert masked_loss(velocity, zero, zero, mask) == 1.0


@pytest.mark.parametrize(
    ("tau", "mean"),
    [(Beta(alpha=1, beta=1.5), 0.4), (Beta(alpha=2, beta=1), 2 / 3), (SigmoidNormal(), 0.5)],
)
def test_when_tau_is_drawn_expect_its_distribution_and_repeatability(tau, mean):
    drawn = tau.sample((20_000,), generator())
    assert ((0 <= drawn) & (drawn <= 1)).all()
    assert drawn.mean().item() == pytest.approx(mean, abs=0.01)
    assert torch.equal(drawn, tau.sample((20_000,), generator()))


class Clean:
    """A distribution of timesteps that draws no noise at all."""

    def sample(self, shape, generator):
        return torch.zeros(shape)


@pytest.mark.parametrize(("prediction", "least"), [("velocity", 0.0), ("action", MIN_TAU)])
def test_when_tau_is_drawn_at_the_clean_end_expect_it_raised_only_where_it_divides(
    prediction, least, monkeypatch
):
    model, seen = micro_model(prediction=prediction), []
    time = model.expert.time
    monkeypatch.setattr(
        model.expert, "time", lambda tau_PD, *clean: seen.append(tau_PD) or time(tau_PD, *clean)
    )
    actions = torch.zeros(2, 4, 5)
    loss = model.loss(
        micro_inputs(),
        actions,
        torch.ones_like(actions, dtype=torch.bool),
        draws=1,
        tau=Clean(),
        generator=generator(),
    )
    assert loss.isfinite() and torch.equal(seen[0], torch.full((2, 1), least))


def test_when_the_velocity_is_exact_expect_the_action_in_any_number_of_steps():
    action, noise = torch.randn(1, 1, 3, 2), torch.randn(1, 1, 3, 2)
    for steps in (1, 5):
        torch.testing.assert_close(integrate(lambda y, tau: noise - action, noise, steps), action)


def test_when_the_seed_is_the_same_expect_the_same_chunk():
    model, inputs = micro_model(), micro_inputs()
    first = model.predict(inputs, generator(1))
    assert first.shape == (2, 4, 5)
    assert torch.equal(first, model.predict(inputs, generator(1)))
    assert not torch.equal(first, model.predict(inputs, generator(2)))


@pytest.mark.parametrize("context", ["cached", "joint"])
def test_when_steps_and_channels_are_padded_expect_nothing_there_to_reach_loss_or_output(
    context, monkeypatch
):
    """A robot of three steps and two channels in a model of four and five."""
    model, inputs = micro_model(context=context), micro_inputs()
    mask = torch.zeros(2, 4, 5, dtype=torch.bool)
    mask[:, :3, :2] = True
    inputs = replace(inputs, valid_PHK=mask)
    actions = torch.randn(2, 4, 5)

    def outcome(padding):
        given = torch.where(mask, actions, padding)
        loss = model.loss(inputs, given, mask, draws=2, tau=Beta(), generator=generator())
        return loss, model.predict(inputs, generator())

    loss, chunk = outcome(0.0)
    forward, seen = model.expert.forward, []

    def spoilt(noisy, *rest):
        seen.append(noisy)
        return torch.where(mask[:, None], forward(noisy, *rest), 1e3)

    monkeypatch.setattr(model.expert, "forward", spoilt)
    again = outcome(torch.nan)
    torch.testing.assert_close(again[0], loss)
    assert torch.equal(again[1], chunk)
    for values in (chunk[:, None], *seen):
        assert values[(~mask)[:, None].expand_as(values)].eq(0.0).all()
        assert values[mask[:, None].expand_as(values)].ne(0.0).all()


def test_when_prompts_share_an_observation_expect_the_loss_of_separate_ones():
    model, shared = micro_model(), micro_inputs(2, prompts_each=2)
    fields = {name: getattr(shared, name) for name in shared.__dataclass_fields__}
    fields["patches"] = tuple(view.repeat_interleave(2, 0) for view in shared.patches)
    separate = type(shared)(**fields | {"observation_P": torch.arange(4)})
    actions, mask = torch.randn(4, 4, 5), torch.ones(4, 4, 5, dtype=torch.bool)
    losses = [
        model.loss(i, actions, mask, draws=2, tau=Beta(), generator=generator())
        for i in (shared, separate)
    ]
    torch.testing.assert_close(*losses)


def test_when_a_chunk_is_denoised_expect_the_velocity_queried_from_noise_towards_the_action():
    asked = []

    def velocity(y, tau):
        asked.append(tau)
        return torch.full_like(y, tau)

    end = integrate(velocity, torch.ones(1, 2, 3), steps=4)
    assert asked == [1.0, 0.75, 0.5, 0.25]
    torch.testing.assert_close(end, torch.full((1, 2, 3), 1.0 - 2.5 / 4.0))
