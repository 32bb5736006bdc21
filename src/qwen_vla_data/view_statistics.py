"""What each camera showed in the recordings that a policy learned from, in a few numbers.

Kept beside a checkpoint as images.json, by robot and view tag. A running robot's images are
compared with them: black, upside down, exchanged, or unlike anything that was learned from.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
from pydantic import Field, FiniteFloat, ValidationError

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.errors import CheckpointError
from qwen_vla_core.whole_file import write_text_whole
from qwen_vla_core.yaml_file import Strict

FILE = "images.json"
SIDE = 8
"""An image is compared as 8 x 8 patches: where light and dark things are, and no more."""
NOISE = 6.0
"""Of a patch's colour, of 0 to 255, that counts as nothing even where it never changed."""
OF_AN_EPISODE = 20
"""Images of one camera that are looked at, evenly spaced."""

Byte = Annotated[int, Field(ge=0, le=255)]
Patches = Annotated[tuple[Byte, ...], Field(min_length=3 * SIDE**2, max_length=3 * SIDE**2)]
Colour = tuple[FiniteFloat, FiniteFloat, FiniteFloat]


class ViewStatistics(Strict):
    """One camera of a robot.

    Attributes:
        images: how many were looked at.
        mean, spread: of each patch's colour over all images, its mean and standard deviation;
            row by row, 3 * SIDE * SIDE numbers each.
        darkest, brightest: 1 % and 99 % quantiles of an image's mean colour, RGB.
        alike_q01: 1 % quantile of ``alike`` of the images.
    """

    images: int
    mean: Patches
    spread: Patches
    darkest: Colour
    brightest: Colour
    alike_q01: FiniteFloat

    def alike(self, patches: np.ndarray) -> float:
        """How alike an image is, -1 to 1: where it is light and dark; 0 where it is even.

        The light of the day, which makes all of an image brighter or bluer, is no part of it, and
        patches count by how much they stayed as they are during the training.
        """
        mean, spread = (
            np.array(one, dtype=float).reshape(SIDE, SIDE, 3) for one in (self.mean, self.spread)
        )
        weights = 1.0 / (spread**2 + NOISE**2)
        weights /= weights.sum(axis=(0, 1))
        a, b = (one - (weights * one).sum(axis=(0, 1)) for one in (patches, mean))
        size = float(np.sqrt((weights * a * a).sum() * (weights * b * b).sum()))
        return float((weights * a * b).sum()) / size if size > 1e-6 else 0.0


def patches_of(image: np.ndarray) -> np.ndarray:
    """Mean colours of the patches of a uint8 RGB image [H, W, 3]: float [SIDE, SIDE, 3]."""
    return cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(float)


def patches_of_episode(images: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Patches of some images of an episode, evenly spaced."""
    count = min(len(images), OF_AN_EPISODE)
    chosen = np.linspace(0, len(images) - 1, count).round().astype(int) if count else ()
    return [patches_of(images[k]) for k in chosen]


def statistics_of(patches: Sequence[np.ndarray]) -> ViewStatistics:
    """Of the patches of all images of one camera, at least one."""
    patches_N = np.stack(patches)
    low, high = np.quantile(patches_N.mean(axis=(1, 2)), [0.01, 0.99], axis=0).round(1)
    found = ViewStatistics(
        images=len(patches_N),
        mean=tuple(patches_N.mean(axis=0).round().astype(int).ravel().tolist()),
        spread=tuple(patches_N.std(axis=0).round().astype(int).ravel().tolist()),
        darkest=tuple(low.tolist()),
        brightest=tuple(high.tolist()),
        alike_q01=0.0,
    )
    likeness_N = [found.alike(one) for one in patches_N]
    return found.model_copy(update={"alike_q01": round(float(np.quantile(likeness_N, 0.01)), 3)})


def load_view_statistics(folder: Path, robot: Embodiment) -> dict[str, ViewStatistics]:
    """By view tag; empty where the checkpoint does not have them.

    Raises:
        CheckpointError: the file is damaged.
    """
    try:
        known = json.loads((folder / FILE).read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder / FILE}: cannot be read ({error})") from error
    try:
        return {
            tag: ViewStatistics.model_validate(one)
            for tag, one in known.get(robot.name, {}).items()
        }
    except (AttributeError, ValidationError) as error:
        raise CheckpointError(f"{folder / FILE}: {robot.name}: {error}") from error


def save_view_statistics(folder: Path, robots: Mapping[str, Mapping[str, ViewStatistics]]) -> None:
    """Write those of some robots into a checkpoint; those of its other robots stay.

    Args:
        robots: name -> view tag -> what that camera showed.
    """
    path = folder / FILE
    known = json.loads(path.read_text()) if path.is_file() else {}
    known |= {
        name: {tag: one.model_dump(mode="json") for tag, one in views.items()}
        for name, views in robots.items()
    }
    lines = [
        f'  "{name}": {{\n'
        + ",\n".join(f'    "{tag}": {json.dumps(one)}' for tag, one in views.items())
        + "\n  }"
        for name, views in sorted(known.items())
    ]
    write_text_whole(path, "{\n" + ",\n".join(lines) + "\n}\n")
