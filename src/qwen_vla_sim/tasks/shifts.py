"""Seeds of training and evaluation, and what an evaluation may show that is new."""

from enum import Enum

import numpy as np

from qwen_vla_core.did_you_mean import did_you_mean
from qwen_vla_core.errors import EmbodimentError

from ..worlds.world import Colour

FIRST_TRAINING_SEED = 10_000
"""Seeds below are for evaluation and never recorded."""


class Shift(str, Enum):
    """What is new in an evaluation against all that was trained on, as in the paper's ALOHA table.

    It is nothing, or one thing; the scene of a seed is otherwise the same.
    """

    NONE = "in_distribution"
    COLOUR = "colour"
    """Objects in colours that only other objects have in training."""
    INSTANCE = "instance"
    """Objects of another size or shape."""
    POSITION = "position"
    """Objects outside the trained area, in reach and in sight."""
    BACKGROUND = "background"
    """Another table or floor, in another light."""
    INSTRUCTION = "instruction"
    """Another wording, of words that training uses elsewhere."""


UNSEEN_GROUNDS: tuple[Colour, ...] = (
    (0.36, 0.26, 0.18, 1.0),  # dark wood
    (0.42, 0.50, 0.46, 1.0),  # a cutting mat
    (0.92, 0.92, 0.94, 1.0),  # a white sheet
)
UNSEEN_LIGHT = (0.75, 1.25)
"""Dusk and noon, as parts of the usual light."""


def find_shift(name: str) -> Shift:
    """The shift of a name.

    Raises:
        EmbodimentError: there is none.
    """
    names = [shift.value for shift in Shift]
    if name not in names:
        raise EmbodimentError(
            f"there is no shift '{name}'; there are {', '.join(names)}{did_you_mean(name, names)}"
        )
    return Shift(name)


def check_shift(seed: int, shift: Shift) -> None:
    """Refuse to shift what is trained on.

    Raises:
        ValueError: ``seed`` is for training and ``shift`` is not ``Shift.NONE``.
    """
    if seed >= FIRST_TRAINING_SEED and shift is not Shift.NONE:
        raise ValueError(
            f"shifts are for seeds below {FIRST_TRAINING_SEED}; {seed} is for training"
        )


def background(seed: int, shift: Shift) -> tuple[dict[str, Colour], float]:
    """Colours and light of a scene's surroundings: ``colours`` and ``light`` of ``Scene``."""
    if shift is not Shift.BACKGROUND:
        return {}, 1.0
    rng = np.random.default_rng([seed, 3])
    ground = UNSEEN_GROUNDS[rng.integers(len(UNSEEN_GROUNDS))]
    return {"ground": ground}, float(rng.choice(UNSEEN_LIGHT))
