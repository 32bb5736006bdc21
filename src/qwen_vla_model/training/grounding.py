"""Auxiliary spatial grounding (paper section 2.4): where in the first view is what is named?

The backbone answers in words behind the prompt, a token after another: left, top, right and bottom
on a scale of 1000, with three digits each. It is what teaches a small vision tower where things
are. The action expert never sees an answer: it attends to the prompt alone.
"""

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from transformers import PreTrainedTokenizerFast

from ..model import Inputs, QwenVla

LARGEST = 999
"""What touches the far edge is a thousandth short of it, so that every number has three digits."""


ANSWER_TOKENS = 4 * 3 + 3
"""Four numbers, digit by digit, and what stands between them."""


def answer(box_4: np.ndarray) -> str:
    """A box of fractions in words; nothing where it is NaN, which is out of sight."""
    if not np.isfinite(box_4).all():
        return ""
    return " ".join(f"{n:03d}" for n in np.clip(box_4 * 1000, 0, LARGEST).astype(int))


def box(answer: str) -> np.ndarray:
    """The inverse, as [4] fractions; NaN where it is no answer."""
    numbers = answer.split(" ")
    if len(numbers) != 4 or not all(n.isdecimal() and len(n) == 3 for n in numbers):
        return np.full(4, np.nan)
    return (np.array(numbers, dtype=float) + 0.5) / 1000


def answer_loss(
    model: QwenVla, inputs: Inputs, hidden_PLE: torch.Tensor, pad: int
) -> torch.Tensor:
    """Cross-entropy of the answers, a mean over their tokens; 0 where there are none.

    Args:
        inputs: with answers, see ``Processor``: tokens outside of the mask that are no ``pad``.
        hidden_PLE: what the model read from them.
    """
    if inputs.mask_PL is None:
        return hidden_PLE.new_zeros(())
    ids_PL = inputs.input_ids_PL
    next_is_answer = (~inputs.mask_PL & (ids_PL != pad))[:, 1:]
    logits = next_token_logits(model, hidden_PLE[:, :-1][next_is_answer])
    total = F.cross_entropy(logits, ids_PL[:, 1:][next_is_answer], reduction="sum")
    return total / max(len(logits), 1)


@torch.no_grad()
def point_out(model: QwenVla, inputs: Inputs, tokenizer: PreTrainedTokenizerFast) -> np.ndarray:
    """Where the model says that each prompt's named thing is: boxes [P, 4], NaN for no answer.

    Args:
        inputs: without answers.
    """
    P, L = inputs.input_ids_PL.shape
    row_P = torch.arange(P, device=inputs.input_ids_PL.device)
    end_P = row_P.new_full((P,), L) if inputs.mask_PL is None else inputs.mask_PL.sum(1)
    views = model.encode_views(inputs)
    ids_PL = F.pad(inputs.input_ids_PL, (0, ANSWER_TOKENS))
    for n in range(ANSWER_TOKENS):
        hidden_PLE = model.encode(replace(inputs, input_ids_PL=ids_PL), views)
        logits = next_token_logits(model, hidden_PLE[row_P, end_P - 1 + n])
        ids_PL[row_P, end_P + n] = logits.argmax(-1)
    told_PA = ids_PL[row_P[:, None], end_P[:, None] + torch.arange(ANSWER_TOKENS).to(end_P)]
    return np.stack([box(text) for text in tokenizer.batch_decode(told_PA)])


def next_token_logits(model: QwenVla, hidden_NE: torch.Tensor) -> torch.Tensor:
    """Scores [N, vocabulary], float32. Qwen3.5's output layer is its embedding, up to 4B."""
    embeddings = model.backbone.language_model.embed_tokens.weight
    return F.linear(hidden_NE, embeddings.to(hidden_NE.dtype)).float()


def without_answers(inputs: Inputs, hidden_PLE: torch.Tensor) -> tuple[Inputs, torch.Tensor]:
    """What the action expert may see: prompts, and what was read from them.

    The backbone is causal, so that nothing in a prompt's states comes from its answer.
    """
    if inputs.mask_PL is None:
        return inputs, hidden_PLE
    longest = int(inputs.mask_PL.sum(1).max())
    prompts = replace(
        inputs,
        input_ids_PL=inputs.input_ids_PL[:, :longest],
        mask_PL=inputs.mask_PL[:, :longest],
    )
    return prompts, hidden_PLE[:, :longest]
