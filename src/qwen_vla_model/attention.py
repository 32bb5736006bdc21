"""Attention (paper section 2.2), as both the vision tower and the action expert use it."""

import torch
import torch.nn.functional as F


def attend(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Softmax attention [B, heads, N, head_dim]; ``mask`` is bool, true where attention may go.

    Where a CPU learns, it is spelled out: for these short sequences the fused kernel's backward
    pass in bfloat16 takes three to five times as long.
    """
    if q.device.type != "cpu" or not torch.is_grad_enabled():
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(-1) @ v


def rotate(x: torch.Tensor, rope) -> torch.Tensor:
    """Rotary positions on the first channels of each head, as transformers rotates them.

    Args:
        x: [..., heads, N, head_dim]. rope: cosines and sines [B, N, rotary], rotary <= head_dim.
    """
    half = rope[0].shape[-1] // 2
    cos, sin = (t[:, None, :, :half] for t in rope)  # both halves turn by the same angles
    first, second, rest = x.tensor_split([half, 2 * half], dim=-1)
    turned = (
        torch.addcmul(first * cos, second, sin, value=-1),
        torch.addcmul(second * cos, first, sin),
    )
    return torch.cat([*turned, rest], dim=-1)
