"""Attention, as a CPU learns by it and fused: the same, and nothing that is masked."""

import pytest
import torch

from qwen_vla_model.attention import attend


@pytest.mark.parametrize("learns", [False, True])
def test_when_tokens_are_masked_expect_the_attention_without_them(learns):
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, 7, 8, generator=generator) for _ in range(3))
    mask = torch.tensor([True] * 5 + [False] * 2)[None, None, None]
    with torch.set_grad_enabled(learns):
        masked, short = attend(q, k, v, mask), attend(q, k[:, :, :5], v[:, :, :5])
    torch.testing.assert_close(masked, short)


def test_when_a_cpu_learns_expect_what_it_says_without_learning():
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, 7, 8, generator=generator) for _ in range(3))
    with torch.no_grad():
        fused = attend(q, k, v)
    torch.testing.assert_close(attend(q, k, v), fused)
