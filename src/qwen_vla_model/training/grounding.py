"""Auxiliary spatial grounding: where in the first view is what the instruction names?

The paper trains its backbone with boxes on a 0 to 1000 scale as next tokens. Here the last prompt
token answers at once: one class per coordinate of the box, in ``BINS`` steps. It is what teaches
a small vision tower where things are, within minutes; the head itself is not shipped. Asked about
all views at once, it took several times as long to begin to learn.
"""

import torch
import torch.nn.functional as F
from torch import nn

BINS = 48
"""Two pixels of a 96-pixel view: finer than the tolerance of a grasp."""


class GroundingHead(nn.Module):
    """Reads a box from the hidden state of the last prompt token."""

    def __init__(self, width: int):
        super().__init__()
        self.read = nn.Linear(width, 4 * BINS)

    def loss(
        self, hidden_PLE: torch.Tensor, mask_PL: torch.Tensor | None, boxes_P4: torch.Tensor
    ) -> torch.Tensor:
        """Cross-entropy of the visible boxes' coordinates.

        Args:
            hidden_PLE: states of the backbone. mask_PL: bool, false on padding, or None.
            boxes_P4: left, top, right, bottom in [0, 1]; NaN where nothing is to be seen.
        """
        P, L, _ = hidden_PLE.shape
        last_P = torch.full((P,), L - 1) if mask_PL is None else mask_PL.sum(1) - 1
        answer = self.read(hidden_PLE[torch.arange(P), last_P]).float().view(P, 4, BINS)
        visible = boxes_P4.isfinite()
        bins = (boxes_P4[visible] * BINS).long().clamp(0, BINS - 1)
        return F.cross_entropy(answer[visible], bins)
