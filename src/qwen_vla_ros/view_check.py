"""Whether the cameras show what a checkpoint learned from; pure."""

from collections.abc import Mapping, Sequence

import numpy as np

from qwen_vla_core.embodiment import Camera
from qwen_vla_data.view_statistics import ViewStatistics, patches_of

from .finding import Finding

CLEARER = 0.25
"""So much more alike, of -1 to 1, something else has to be before it is named."""
UNLIKE = 0.3
"""So much less alike than all but 1 % of the training's images, an image is another scene."""
LIGHT = 40.0
"""So far beyond the training's range of mean colours, of 0 to 255, the light is another."""
PLAIN = 0.2
"""Where images of a training are no more alike than this, nothing can be said of their scene."""


def check_views(
    cameras: Sequence[Camera],
    images: Mapping[str, Sequence[np.ndarray]],
    trained: Mapping[str, ViewStatistics],
    file: str,
    checkpoint: str,
) -> list[Finding]:
    """One finding for each camera that is known.

    Args:
        images: by camera name, uint8 RGB [H, W, 3]; the last counts.
        trained: by view tag, what the checkpoint learned from.
        file, checkpoint: to say what to change where.
    """
    known = [
        (camera, trained[camera.tag], patches_of(images[camera.name][-1]))
        for camera in cameras
        if images.get(camera.name) and camera.tag in trained
    ]
    return [
        _check(camera, own, patches, known, file, checkpoint) for camera, own, patches in known
    ]


def _check(
    camera: Camera,
    own: ViewStatistics,
    patches: np.ndarray,
    known: Sequence[tuple[Camera, ViewStatistics, np.ndarray]],
    file: str,
    checkpoint: str,
) -> Finding:
    about = f"view {camera.tag}"
    likeness = own.alike(patches)

    def found(level: str, text: str) -> Finding:
        return Finding(level=level, about=about, text=f"camera {camera.name}: {text}")

    if PLAIN <= own.alike_q01 > likeness:
        guesses = [
            (own.alike(patches[::-1, ::-1]), "its images are upside down: turn it by 180 degrees"),
            (own.alike(patches[:, ::-1]), "its images are mirrored: switch its driver's flip off"),
        ]
        for other, others_own, others_patches in known:
            clear = others_own.alike(others_patches) + CLEARER
            if other is not camera and others_own.alike(patches) >= clear:
                exchanged = f"it shows what {other.name} should, and {other.name} what it should"
                words = f"{exchanged}: exchange their topics in {file}, cameras"
                guesses.append((own.alike(others_patches), words))
        best, words = max(guesses)
        if best >= max(own.alike_q01, likeness + CLEARER):
            return found("error", words)
    colour = patches.mean(axis=(0, 1))
    low, high = np.array(own.darkest) - LIGHT, np.array(own.brightest) + LIGHT
    if (colour < low).any() or (colour > high).any():
        return found(
            "warning",
            f"its mean colour is {_rgb(colour)}; that of {checkpoint} learned from "
            f"{_rgb(own.darkest)} to {_rgb(own.brightest)}: light, exposure or white balance; or "
            "train with images like these",
        )
    if own.alike_q01 >= PLAIN and likeness < own.alike_q01 - UNLIKE:
        return found(
            "warning",
            f"its images are unlike those that {checkpoint} learned from (likeness "
            f"{likeness:.2f}, there at least {own.alike_q01:.2f}): place and aim of the camera, "
            "the scene; or train with images like these",
        )
    return found("ok", f"as in the training of {checkpoint} (likeness {likeness:.2f})")


def _rgb(colour: Sequence[float]) -> str:
    return " ".join(f"{part:.0f}" for part in colour)
