"""What the shifts of all tasks have in common."""

import numpy as np

from ..worlds.world import Colour
from .task import FIRST_TRAINING_SEED, Shift

_UNSEEN_GROUNDS: tuple[Colour, ...] = (
    (0.36, 0.26, 0.18, 1.0),  # dark wood
    (0.42, 0.50, 0.46, 1.0),  # a cutting mat
    (0.92, 0.92, 0.94, 1.0),  # a white sheet
)
_UNSEEN_LIGHT = (0.75, 1.25)
"""Dusk and noon, as parts of the usual light."""


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
    ground = _UNSEEN_GROUNDS[rng.integers(len(_UNSEEN_GROUNDS))]
    return {"ground": ground}, float(rng.choice(_UNSEEN_LIGHT))
