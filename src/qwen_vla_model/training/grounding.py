"""Auxiliary spatial grounding (paper section 2.4): where in the first view is what is named?

The backbone answers in words behind the prompt, a token after another: left, top, right and bottom
on a scale of 1000, with three digits each. It is what teaches a small vision tower where things
are. The action expert never sees an answer: it attends to the prompt alone.

Of those tokens only the first says which of several things is meant; the others follow from it
and the image. So the end of the prompt also forecasts the whole box at once, in ``BINS`` steps.
Without, a small network did not learn within 1000 steps to tell blocks by their colours; and what
it finds has to stand in the prompt, where the expert can read it.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import PreTrainedTokenizerFast

from ..model import Inputs, QwenVla

BINS = 48
"""Two pixels of a 96-pixel view: finer than the tolerance of a grasp."""
LARGEST = 999
"""What touches the far edge is a thousandth short of it, so that every number has three digits."""


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


def answer_places(inputs: Inputs, pad: int) -> torch.Tensor:
    """Where the next token is an answer's, among all but the last [P * (L - 1)]."""
    next_is_answer = (~inputs.mask_PL & (inputs.input_ids_PL != pad))[:, 1:]
    return next_is_answer.flatten().nonzero()[:, 0]


def answer_loss(
    model: QwenVla,
    inputs: Inputs,
    hidden_PLE: torch.Tensor,
    pad: int,
    places: torch.Tensor | None = None,
    *,
    each: bool = False,
) -> torch.Tensor:
    """Cross-entropy of the answers, a mean over their tokens; 0 where there are none.

    Args:
        inputs: with answers, see ``Processor``: tokens outside of the mask that are no ``pad``.
        hidden_PLE: what the model read from them.
        places: what ``answer_places`` says; on a GPU it is waited for here otherwise.
        each: a mean over the answers instead, however many tokens they have.
    """
    if inputs.mask_PL is None:
        return hidden_PLE.new_zeros(())
    ids_PL = inputs.input_ids_PL
    if places is None:
        places = answer_places(inputs, pad)
    logits = next_token_logits(model, hidden_PLE[:, :-1].flatten(0, 1)[places])
    if each:
        of_N = F.cross_entropy(logits, ids_PL[:, 1:].flatten()[places], reduction="none")
        row_N = places // (ids_PL.shape[1] - 1)
        tokens_P = torch.bincount(row_N, minlength=len(ids_PL))
        return (of_N / tokens_P[row_N]).sum() / len(ids_PL)
    total = F.cross_entropy(logits, ids_PL[:, 1:].flatten()[places], reduction="sum")
    return total / max(len(logits), 1)


class Forecast(nn.Module):
    """The whole box from the last token of a prompt. A run's state holds it, no checkpoint."""

    def __init__(self, width: int):
        super().__init__()
        self.read = nn.Linear(width, 4 * BINS)
        # At first it says nothing about boxes, and so nothing to a network that can see already.
        nn.init.zeros_(self.read.weight)

    def loss(
        self, hidden_PLE: torch.Tensor, mask_PL: torch.Tensor | None, boxes_P4: torch.Tensor
    ) -> torch.Tensor:
        """Cross-entropy of the coordinates of boxes that are in sight; 0 where none is.

        Args:
            hidden_PLE: what the model read. mask_PL: false behind the prompts, or None.
            boxes_P4: left, top, right, bottom as fractions; NaN where out of sight. On the
                host, so that a GPU is not waited for.
        """
        P, L, _ = hidden_PLE.shape
        device = hidden_PLE.device
        seen_N = boxes_P4.isfinite().all(1).nonzero()[:, 0]
        bins_N4 = (boxes_P4[seen_N] * BINS).long().clamp(0, BINS - 1)
        bins_N4, seen_N = (t.to(device, non_blocking=True) for t in (bins_N4, seen_N))
        end_P = torch.full((P,), L - 1, device=device) if mask_PL is None else mask_PL.sum(1) - 1
        end_NE = hidden_PLE[seen_N, end_P[seen_N]]
        logits = self.read(end_NE).float().view(-1, BINS)
        total = F.cross_entropy(logits, bins_N4.flatten(), reduction="sum")
        return total / max(len(logits), 1)


@dataclass(frozen=True, kw_only=True)
class Said:
    """An answer.

    Attributes:
        box_4: left, top, right, bottom as fractions; NaN where the answer is in words.
        words: without the full stop that ends them; what came instead where nothing did.
        confidence: the product of the probabilities of its tokens.
    """

    box_4: np.ndarray
    words: str
    confidence: float

    def text(self, width: int, height: int) -> str:
        """The answer as a person reads it; a box in pixels of an image of this size."""
        if np.isnan(self.box_4).any():
            return f"{self.words} (confidence {self.confidence:.2f})"
        left, top, right, bottom = self.pixels(width, height)
        return (
            f"left {left}, top {top}, right {right}, bottom {bottom} of {width} x {height} pixels"
        )

    def pixels(self, width: int, height: int) -> list[int]:
        """Left, top, right and bottom of the box in an image of this size."""
        return (self.box_4 * [width, height, width, height]).round().astype(int).tolist()


@torch.no_grad()
def say(model: QwenVla, inputs: Inputs, tokenizer: PreTrainedTokenizerFast) -> list[Said]:
    """The likeliest answer to each of P prompts, a token after another.

    Args:
        inputs: without answers.
    """
    P, L = inputs.input_ids_PL.shape
    count = len(tokenizer(answer(np.zeros(4)), add_special_tokens=False)["input_ids"])
    row_P = torch.arange(P, device=inputs.input_ids_PL.device)
    end_P = row_P.new_full((P,), L) if inputs.mask_PL is None else inputs.mask_PL.sum(1)
    views = model.encode_views(inputs)
    ids_PL = F.pad(inputs.input_ids_PL, (0, count))
    chances = []
    for n in range(count):
        hidden_PLE = model.encode(replace(inputs, input_ids_PL=ids_PL), views)
        chance_P, token_P = (
            next_token_logits(model, hidden_PLE[row_P, end_P - 1 + n]).softmax(-1).max(-1)
        )
        ids_PL[row_P, end_P + n] = token_P
        chances.append(chance_P)
    answer_PA = ids_PL[row_P[:, None], end_P[:, None] + torch.arange(count).to(end_P)]
    return [
        _said(tokenizer, token_A.tolist(), chance_A.tolist())
        for token_A, chance_A in zip(answer_PA, torch.stack(chances, dim=1), strict=True)
    ]


def _said(tokenizer: PreTrainedTokenizerFast, tokens: list[int], chances: list[float]) -> Said:
    box_4 = box(tokenizer.decode(tokens))
    length = len(tokens)
    if not np.isfinite(box_4).all():
        length = next((n for n in range(1, length) if "." in tokenizer.decode(tokens[:n])), length)
    words = tokenizer.decode(tokens[:length]).removesuffix(".")
    return Said(box_4=box_4, words=words, confidence=float(np.prod(chances[:length])))


def point_out(model: QwenVla, inputs: Inputs, tokenizer: PreTrainedTokenizerFast) -> np.ndarray:
    """Where the model says that each prompt's named thing is: boxes [P, 4], NaN for no box.

    Args:
        inputs: without answers.
    """
    return np.stack([said.box_4 for said in say(model, inputs, tokenizer)])


@torch.no_grad()
def chance_of(
    model: QwenVla, inputs: Inputs, tokenizer: PreTrainedTokenizerFast, answer: str, other: str
) -> list[float]:
    """How likely each prompt's answer is the one and not the other; they begin differently.

    NaN where it is more likely neither: then the question was not learned.

    Args:
        inputs: with answers or without; an answer is not seen.
    """
    first = [tokenizer(text, add_special_tokens=False)["input_ids"][0] for text in (answer, other)]
    hidden_PLE = model.read(inputs)
    P, L = inputs.input_ids_PL.shape
    last_P = torch.full((P,), L) if inputs.mask_PL is None else inputs.mask_PL.sum(1)
    end_PE = hidden_PLE[torch.arange(P), last_P.to(hidden_PLE.device) - 1]
    chance_P2 = next_token_logits(model, end_PE).softmax(-1)[:, first]
    total_P = chance_P2.sum(-1)
    return torch.where(total_P > 0.5, chance_P2[:, 0] / total_P, torch.nan).tolist()


def next_token_logits(model: QwenVla, hidden_NE: torch.Tensor) -> torch.Tensor:
    """Scores [N, vocabulary], float32. Qwen3.5's output layer is its embedding, up to 4B."""
    embeddings = model.backbone.language_model.embed_tokens.weight
    return F.linear(hidden_NE, embeddings.to(hidden_NE.dtype)).float()


def without_answers(
    inputs: Inputs, hidden_PLE: torch.Tensor, longest: int
) -> tuple[Inputs, torch.Tensor]:
    """What the action expert may see: prompts, and what was read from them.

    The backbone is causal, so that nothing in a prompt's states comes from its answer.

    Args:
        longest: tokens of the longest prompt.
    """
    if inputs.mask_PL is None:
        return inputs, hidden_PLE
    prompts = replace(
        inputs,
        input_ids_PL=inputs.input_ids_PL[:, :longest],
        mask_PL=inputs.mask_PL[:, :longest],
    )
    return prompts, hidden_PLE[:, :longest]
