"""Recordings in which the same thing looks different: grounds, light, colours, cameras.

What a policy shall not depend on has to vary in what it learns from. What an evaluation shows as
new (``shifts.py``) stays new: no ground, light, or colour of a kind of thing is drawn from near
it, and places, shapes and wordings are not touched.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from ..worlds.world import CameraError, Colour
from .shifts import FIRST_TRAINING_SEED, UNSEEN_GROUNDS, UNSEEN_LIGHT
from .task import Scene

EXTRA: Mapping[str, Colour] = {
    "orange": (0.95, 0.45, 0.05, 1.0),
    "brown": (0.40, 0.22, 0.08, 1.0),
    "white": (0.93, 0.93, 0.93, 1.0),
    "black": (0.06, 0.06, 0.07, 1.0),
    "purple": (0.45, 0.10, 0.58, 1.0),
    "pink": (0.95, 0.50, 0.68, 1.0),
}
"""Words that a task wears besides its own ones; those that its evaluation uses are its own.

So a WidowX's block is never purple or pink here, as it is with ``Shift.COLOUR``; what an ALOHA
picks up and what a base drives to may be.
"""
SHADE = 0.12
"""A word means all colours this near to its usual one in red, green and blue.

Any two words are 0.35 apart or more, so that no colour could be called by both.
"""
MARGIN = 0.1
"""Nothing is recorded that is this near to what an evaluation shows as new."""
LIGHT = (0.82, 1.18)
"""Between dusk and noon of the evaluation, and not near either."""
_USUAL_GROUND = 0.2
"""Part of the scenes that keep it."""
_GREY, _TINT = (0.12, 0.95), 0.15
_EXTRA_WORD = 0.5
_CLEAR = 0.3
"""A ground is farther than this from the colour of anything on it."""
_CAMERA_OFF_M, _CAMERA_TURNED_RAD = 0.004, 0.02
"""To either side along and about each axis: how well a camera is put back where it was."""


def diversify(scene: Scene, own: Mapping[str, Colour], cameras: Iterable[str]) -> Scene:
    """The scene as it might look elsewhere, decided by its seed.

    Args:
        scene: of a training seed.
        own: the colours that the scene's task and its evaluation use, by their words.
        cameras: names of those that may stand a little off.
    Raises:
        ValueError: ``scene`` is for evaluation.
    """
    if scene.seed < FIRST_TRAINING_SEED:
        raise ValueError(f"seeds below {FIRST_TRAINING_SEED} are for evaluation; got {scene.seed}")
    rng = np.random.default_rng([scene.seed, 5])
    worn = {body: _word(colour, own) for body, colour in scene.colours.items()}
    unused = iter(rng.permutation([word for word in EXTRA if word not in own]))
    new = {
        word: str(next(unused, word)) if rng.random() < _EXTRA_WORD else word
        for word in sorted(set(worn.values()))
    }
    known = EXTRA | dict(own)
    colours = {body: _shade(rng, known[new[word]]) for body, word in worn.items()}
    light = rng.uniform(*LIGHT)
    if rng.random() >= _USUAL_GROUND:
        colours["ground"] = _ground(rng, light, list(colours.values()))
    return replace(
        scene,
        instructions=tuple(_reworded(text, new) for text in scene.instructions),
        names={body: _reworded(name, new) for body, name in scene.names.items()},
        colours=colours,
        light=light,
        cameras={
            camera: CameraError(
                offset_m=tuple(rng.uniform(-_CAMERA_OFF_M, _CAMERA_OFF_M, 3)),
                turn_rad=tuple(rng.uniform(-_CAMERA_TURNED_RAD, _CAMERA_TURNED_RAD, 3)),
            )
            for camera in cameras
        },
    )


def distance(colour: Colour, other: Colour) -> float:
    """How far two colours are from each other in red, green and blue."""
    return float(np.linalg.norm(np.subtract(colour, other)[:3]))


def _word(colour: Colour, own: Mapping[str, Colour]) -> str:
    return next(word for word, usual in own.items() if usual == colour)


def _reworded(text: str, new: Mapping[str, str]) -> str:
    return re.sub(r"\w+", lambda word: new.get(word[0], word[0]), text)


def _shade(rng: np.random.Generator, usual: Colour) -> Colour:
    while True:
        shade = _colour(np.clip(usual[:3] + rng.uniform(-SHADE, SHADE, 3), 0.0, 1.0))
        if distance(shade, usual) < SHADE:
            return shade


def _ground(rng: np.random.Generator, light: float, things: list[Colour]) -> Colour:
    """A table or a floor on which everything can be told from it, and that no evaluation shows."""
    while True:
        rgb = rng.uniform(*_GREY) + rng.uniform(-_TINT, _TINT, 3)
        ground = _colour(np.clip(rgb, 0.0, 1.0))
        if all(distance(ground, thing) > _CLEAR for thing in things) and not _is_unseen(
            ground, light
        ):
            return ground


def _is_unseen(ground: Colour, light: float) -> bool:
    """Whether an evaluation has such a ground, or one that looks like it in its light."""
    return any(
        distance(ground, unseen) <= MARGIN
        or distance(np.multiply(ground, light), np.multiply(unseen, unseen_light)) <= MARGIN
        for unseen in UNSEEN_GROUNDS
        for unseen_light in UNSEEN_LIGHT
    )


def _colour(rgb: np.ndarray) -> Colour:
    return (*(float(part) for part in rgb), 1.0)
