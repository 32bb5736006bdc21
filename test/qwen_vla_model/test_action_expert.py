"""The expert: cached context, draws, padding, and who attends to whom."""

import pytest
import torch
import torch.nn.functional as F

from micro_qwen_vla import context_of, micro_inputs, micro_model
from qwen_vla_model.action_expert import timestep_embedding


def run(model, inputs, draws=1, seed=0, clean=None):
    generator = torch.Generator().manual_seed(seed)
    P, config = len(inputs.input_ids_PL), model.config
    noisy = torch.randn(P, draws, config.horizon, config.channels, generator=generator)
    tau = torch.rand(P, draws, generator=generator)
    context = context_of(model, inputs)
    noisy, state_PK = (t.to(context.tokens_PLd.dtype) for t in (noisy, inputs.state_PK))
    time = model.expert.time(tau, clean)
    return noisy, tau, context, model.expert(noisy, time, state_PK, context)


@pytest.mark.parametrize("clean", [None, torch.tensor([True, True, False, False])])
@torch.no_grad()
def test_when_context_is_cached_expect_the_uncached_evaluation(clean):
    """Everything in one masked sequence, only the action tokens modulated, each by its own tau.

    In double precision, so that nothing but rounding is left between the two.
    """
    model, inputs = micro_model(context="cached").double(), micro_inputs(padding=2)
    if clean is not None:
        clean = clean.expand(2, 1, -1)
    noisy, tau, context, cached = run(model, inputs, clean=clean)
    expert, L = model.expert, context.tokens_PLd.shape[1]
    actions = expert.action_in(noisy[:, 0])
    actions = torch.cat([expert.state_in(inputs.state_PK.double())[:, None], actions], dim=1)
    A = actions.shape[1]
    rope = tuple(
        torch.cat(pair, dim=1) for pair in zip(context.rope, context.action_rope, strict=True)
    )
    mask = F.pad(context.mask_PL, (0, A), value=True)[:, None, None].repeat(1, 1, L + A, 1)
    mask[:, :, :L, L:] = False
    tau_PA = tau.expand(-1, A).clone()
    if clean is not None:
        tau_PA[:, 1:][clean[:, 0]] = 0.0
    time = F.silu(expert.time_in(timestep_embedding(tau_PA).double()))
    x = torch.cat([context.tokens_PLd, actions], dim=1)
    for block in expert.blocks:
        neutral = torch.tensor([0.0, 0, 1, 0, 0, 1]).double().repeat_interleave(x.shape[-1])
        modulation = torch.cat([neutral.expand(len(x), L, -1), block.modulation(time)], dim=1)
        shift1, scale1, gate1, shift2, scale2, gate2 = modulation.chunk(6, dim=-1)
        y = block.norm(x) * (1 + scale1) + shift1
        x = x + gate1 * block.attend(*block.project(y, rope), mask)
        x = x + gate2 * block.mlp(block.norm(x) * (1 + scale2) + shift2)
    shift, scale = expert.modulation_out(time[:, 1:]).chunk(2, dim=-1)
    uncached = expert.action_out(expert.norm_out(x[:, -noisy.shape[2] :]) * (1 + scale) + shift)
    assert uncached.abs().mean() > 0.1
    torch.testing.assert_close(cached[:, 0], uncached, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("context", ["cached", "joint"])
@torch.no_grad()
def test_when_tokens_are_rotated_expect_the_backbones_positions_and_actions_that_continue_them(
    context,
):
    model, inputs = micro_model(context=context), micro_inputs(padding=2)
    prompt, ids_PL = context_of(model, inputs), inputs.input_ids_PL
    positions = model.backbone.positions(
        *ids_PL.shape, inputs.image_at, inputs.grids, ids_PL.device
    )
    image = positions[:, 0, list(inputs.image_at)]
    assert (image[1] != image[2]).any()  # rows and columns differ: the sections matter
    rotary = model.backbone.language_model.rotary_emb
    for ours, theirs in zip(prompt.rope, rotary(prompt.tokens_PLd, positions), strict=True):
        assert torch.equal(ours, theirs)
    lengths_P = inputs.mask_PL.sum(1)
    for P, length in enumerate(lengths_P):
        first = positions[:, P, :length].max() + 1
        steps = first + torch.arange(model.expert.horizon + (model.expert.state_in is not None))
        continued = rotary(prompt.tokens_PLd, steps.expand(3, 1, -1))
        for ours, theirs in zip(prompt.action_rope, continued, strict=True):
            assert torch.equal(ours[P], theirs[0])


@pytest.mark.parametrize("context", ["cached", "joint"])
@torch.no_grad()
def test_when_several_draws_share_a_context_expect_each_as_if_alone(context):
    model, inputs = micro_model(context=context), micro_inputs(padding=1)
    noisy, tau, shared, together = run(model, inputs, draws=3)
    for i in range(3):
        time = model.expert.time(tau[:, i : i + 1])
        alone = model.expert(noisy[:, i : i + 1], time, inputs.state_PK, shared)
        torch.testing.assert_close(together[:, i], alone[:, 0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("context", ["cached", "joint"])
@torch.no_grad()
def test_when_no_step_is_clean_expect_one_tau_for_all_and_otherwise_one_for_each(context):
    model, inputs = micro_model(context=context), micro_inputs(padding=1)
    *_, uniform = run(model, inputs, draws=2)
    clean = torch.zeros(2, 2, 4, dtype=torch.bool)
    torch.testing.assert_close(run(model, inputs, draws=2, clean=clean)[-1], uniform)
    clean[0, 1, :2] = True
    changed = run(model, inputs, draws=2, clean=clean)[-1]
    same = torch.isclose(changed, uniform, rtol=1e-4, atol=1e-4).flatten(2).all(-1)
    assert same.tolist() == [[True, False], [True, True]]
    assert not torch.allclose(changed[0, 1, 2:], uniform[0, 1, 2:])  # they see the clean ones


@pytest.mark.parametrize("context", ["cached", "joint"])
@torch.no_grad()
def test_when_a_prompt_is_padded_expect_the_same_velocity(context):
    model, padded = micro_model(context=context), micro_inputs(padding=2)
    noisy, tau, _, together = run(model, padded)
    second = type(padded)(
        patches=tuple(view[1:] for view in padded.patches),
        grids=padded.grids,
        image_at=padded.image_at,
        observation_P=torch.tensor([0]),
        input_ids_PL=padded.input_ids_PL[1:, :-2],
        mask_PL=None,
        state_PK=padded.state_PK[1:],
        valid_PHK=padded.valid_PHK[1:],
    )
    time = model.expert.time(tau[1:])
    alone = model.expert(noisy[1:], time, second.state_PK, context_of(model, second))
    torch.testing.assert_close(together[1:], alone, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_when_the_state_or_a_view_or_a_word_changes_expect_other_actions():
    model, inputs = micro_model(), micro_inputs(1)
    before = run(model, inputs)[-1]
    for change in (
        {"state_PK": inputs.state_PK + 1},
        {"patches": (inputs.patches[0], inputs.patches[1] + 1)},
        {
            "input_ids_PL": inputs.input_ids_PL.roll(1, 1).index_copy(
                1, torch.arange(11), inputs.input_ids_PL[:, :11]
            )
        },
    ):
        fields = {name: getattr(inputs, name) for name in inputs.__dataclass_fields__}
        assert not torch.allclose(run(model, type(inputs)(**fields | change))[-1], before)


def test_when_training_expect_gradients_everywhere_they_should_be():
    model, inputs = micro_model(), micro_inputs(padding=1)
    run(model, inputs, draws=2)[-1].square().sum().backward()
    silent = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert not silent
