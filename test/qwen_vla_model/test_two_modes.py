"""A distribution with two modes is learned from samples: both modes, their weights, and which of
them a prefix belongs to."""

from dataclasses import replace

import pytest
import torch

from micro_qwen_vla import micro_config, micro_inputs
from qwen_vla_model.flow_matching import SigmoidNormal
from qwen_vla_model.model import QwenVla
from qwen_vla_model.real_time_chunking import soft_mask

MODE_HK = torch.tensor([1.0, -1.0, 0.5, -0.5])[:, None].expand(-1, 5)
"""The other mode is its negative."""
SHARE = 0.7
"""Of the samples that are the first mode."""
STEPS, PROMPTS, DRAWS, RATE = 240, 8, 8, 3e-3
CHUNKS = 400
DEVIATION = (SHARE * (1 - SHARE) / CHUNKS) ** 0.5


def asked(times):
    """The same question over and over."""
    one = micro_inputs(1)
    return replace(
        one,
        observation_P=torch.zeros(times, dtype=torch.long),
        input_ids_PL=one.input_ids_PL.expand(times, -1),
        state_PK=one.state_PK.expand(times, -1),
        valid_PHK=one.valid_PHK.expand(times, -1, -1),
    )


def modes_of(chunks_PHK):
    """+1 or -1 for each chunk, and its largest distance from that mode."""
    sign_P = (chunks_PHK * MODE_HK).sum((1, 2)).sign()
    return sign_P, (chunks_PHK - sign_P[:, None, None] * MODE_HK).abs().amax((1, 2))


@pytest.fixture(
    scope="module", params=[pytest.param("velocity", marks=pytest.mark.long), "action"]
)
def model(request):
    """A network that has seen both modes, with prefixes of up to two steps."""
    torch.manual_seed(0)
    config = micro_config(prediction=request.param, euler_steps=20, prefix_steps=2)
    model, generator = QwenVla(config), torch.Generator().manual_seed(0)
    inputs = asked(PROMPTS)
    with torch.no_grad():
        hidden_PLE = model.read(asked(1)).expand(PROMPTS, -1, -1)
    optimizer = torch.optim.AdamW(model.expert.parameters())
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = RATE * min(1.0, 2.0 * (1.0 - step / STEPS))
        first_P = torch.rand(PROMPTS, 1, 1, generator=generator) < SHARE
        loss = model.loss(
            inputs,
            torch.where(first_P, MODE_HK, -MODE_HK),
            torch.ones(PROMPTS, 4, 5, dtype=torch.bool),
            draws=DRAWS,
            tau=SigmoidNormal(),
            generator=generator,
            hidden_PLE=hidden_PLE,
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def test_when_two_modes_were_learned_expect_both_with_their_weights_and_nothing_between(model):
    sign_P, away_P = modes_of(model.predict(asked(CHUNKS), torch.Generator().manual_seed(1)))
    assert (sign_P > 0).float().mean().item() == pytest.approx(SHARE, abs=4 * DEVIATION)
    assert (away_P < 0.5).float().mean() > 0.9


def test_when_a_prefix_belongs_to_one_mode_expect_its_continuation(model):
    prefix = torch.stack([MODE_HK, -MODE_HK]).repeat(100, 1, 1)
    weight = soft_mask(2, 2, 4).expand(200, -1)
    chunk = model.predict(asked(200), torch.Generator().manual_seed(1), prefix, weight)
    sign_P, away_P = modes_of(chunk)
    assert sign_P.tolist() == [1.0, -1.0] * 100
    assert (away_P < 0.5).float().mean() > 0.9


def test_when_guided_expect_more_chunks_of_the_mode_that_the_old_one_had(model):
    """The rarer mode; guidance does not need to have seen a prefix in training."""
    generator, weight = torch.Generator().manual_seed(1), soft_mask(2, 4, 4).expand(200, -1)
    old = (-MODE_HK).expand(200, -1, -1)
    chunk = model.predict(asked(200), generator, old, weight, guide=True)
    assert torch.equal(chunk[:, :2], old[:, :2])
    assert (chunk[:, 2:] * MODE_HK[2:]).sum((1, 2)).lt(0).float().mean() > 0.9
