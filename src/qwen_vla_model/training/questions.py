"""Questions about what a recording shows, with answers: where, what, beside what, is it done?

The paper's model keeps answering questions about images while it learns to act. A simulator's
recordings say what stands where and whether the task is done (``Episode.things``, ``seen_KTV4``
and ``done_NT``), so they bring such questions with them. Each is about the first view, without a
word about a robot, as spatial grounding asks (``grounding.py``).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from pydantic import NonNegativeInt, PositiveFloat

from qwen_vla_core.yaml_file import Strict
from qwen_vla_data.episode import Episode

from ..model import Inputs, QwenVla
from .grounding import answer, answer_places, next_token_logits

Kind = Literal["where", "what", "left", "right", "nearest", "done"]
YES, NO, NOTHING, NOWHERE = "yes.", "no.", "nothing.", "nowhere."
"""Answers in words end in a full stop, so that whoever reads them knows where; a box, which is
always as long, has none."""
APART = 0.04
"""Of the view's width or height: two things that differ by less are not said to be on a side, or
nearer."""


class QuestionRecipe(Strict):
    """What each batch is asked beside its actions, about steps of the same source."""

    each_batch: NonNegativeInt = 0
    """Steps, each with one question, half of them where something is done; 0 for none."""
    weight: PositiveFloat = 0.1
    """Of their loss beside the action loss."""


@dataclass(frozen=True, kw_only=True)
class Questions:
    """Some questions, each of a kind, as the backbone takes them: with their answers."""

    inputs: Inputs
    kinds: tuple[Kind, ...]
    answers: tuple[str, ...]


def where_is(thing: str) -> str:
    """The question where a thing is."""
    return f"where is the {thing}"


def is_done(instruction: str) -> str:
    """The question whether what an instruction asks for is done."""
    return f"is it done: {instruction}"


def questions_about(
    episode: Episode, t: int, known: Iterable[str] = ()
) -> dict[Kind, list[tuple[str, str]]]:
    """What can be asked about the first view of a step: kind -> questions with their answers.

    Args:
        known: names of things of all episodes; those that are not in this one are asked for too.
    """
    found: dict[Kind, list[tuple[str, str]]] = {}
    if episode.done_NT is not None:
        found["done"] = [
            (is_done(instruction), YES if done else NO)
            for instruction, done in zip(episode.instructions, episode.done_NT[:, t], strict=True)
        ]
    if episode.things is None:
        return found
    in_sight = {
        thing: box_4
        for thing, box_4 in zip(episode.things, episode.seen_KTV4[:, t, 0], strict=True)
        if np.isfinite(box_4).all()
    }
    found["where"] = [(where_is(thing), answer(box_4)) for thing, box_4 in in_sight.items()]
    found["where"] += [
        (where_is(absent), NOWHERE) for absent in sorted({*known} - {*episode.things})
    ]
    middles = {thing: (box_4[:2] + box_4[2:]) / 2 for thing, box_4 in in_sight.items()}
    found["what"] = [(f"what is at {_numbers(xy)}", f"{thing}.") for thing, xy in middles.items()]
    # "the ball left of the cone" is no name to ask on with, and the cone may have none.
    if not any(" of " in thing for thing in episode.things):
        across = {thing: xy[0] for thing, xy in middles.items()}
        found["left"] = _beside(across, "left")
        found["right"] = _beside({thing: -x for thing, x in across.items()}, "right")
        # What is lifted is higher in the view, and not farther away: at the start nothing is.
        lowest = sorted(in_sight, key=lambda thing: -in_sight[thing][3])[:2] if t == 0 else []
        if len(lowest) == 2 and in_sight[lowest[0]][3] - in_sight[lowest[1]][3] > APART:
            found["nearest"] = [("what is nearest", f"{lowest[0]}.")]
    return {kind: asked for kind, asked in found.items() if asked}


def _numbers(xy: np.ndarray) -> str:
    """A place in the view as a box's numbers are written (``grounding.answer``)."""
    return answer(np.concatenate([xy, xy]))[:7]


def _beside(across: dict[str, float], side: str) -> list[tuple[str, str]]:
    """What is next to each thing on a side, from where they are across the view."""
    asked = []
    for thing, x in across.items():
        others = {other: x - place for other, place in across.items() if other != thing}
        if any(abs(gap) <= APART for gap in others.values()):
            continue
        gaps = {other: gap for other, gap in others.items() if gap > 0.0}
        next_to_it = f"{min(gaps, key=gaps.get)}." if gaps else NOTHING
        asked.append((f"what is {side} of the {thing}", next_to_it))
    return asked


def choose(
    about: dict[Kind, list[tuple[str, str]]], rng: np.random.Generator
) -> tuple[Kind, str, str]:
    """One of the questions about a step: every kind, and of it every answer, equally often."""
    kind = list(about)[rng.integers(len(about))]
    answers = sorted({said for _, said in about[kind]})
    said = answers[rng.integers(len(answers))]
    alike = [question for question, other in about[kind] if other == said]
    return kind, alike[rng.integers(len(alike))], said


@torch.no_grad()
def answered(model: QwenVla, asked: Questions, pad: int) -> np.ndarray:
    """Whether each question is answered word for word as it should be, bool [P]."""
    inputs = asked.inputs.to(next(model.parameters()).device)
    places = answer_places(inputs, pad)
    ids_PL = inputs.input_ids_PL
    hidden_NE = model.read(inputs)[:, :-1].flatten(0, 1)[places]
    said_N = next_token_logits(model, hidden_NE).argmax(-1)
    wrong_N = places[said_N != ids_PL[:, 1:].flatten()[places]] // (ids_PL.shape[1] - 1)
    right_P = np.ones(len(ids_PL), dtype=bool)
    right_P[wrong_N.cpu().numpy()] = False
    return right_P
