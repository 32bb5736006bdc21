"""Attention (paper section 2.2), as both the vision tower and the action expert use it."""

import torch
import torch.nn.functional as F


def attend(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Softmax attention [B, heads, N, head_dim]; ``mask`` is bool, true where attention may go.

    On the CPU it is spelled out: for these short sequences the fused kernel's backward pass in
    bfloat16 takes three to five times as long.
    """
    if q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(-1) @ v
