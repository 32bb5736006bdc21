"""What a checkpoint says of the robots that it was trained on; no weight is read.

Nothing here imports torch, so that a robot that does not fit is refused before torch's seconds.
"""

import hashlib
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.signature import embodiment_signature, with_views
from qwen_vla_core.errors import CheckpointError
from qwen_vla_data.view_statistics import FILE as VIEWS

from .action_space import ActionSpace, misfits
from .hub import EMBODIMENTS, TRAINING, find_checkpoint
from .json_file import read_json


def load_instructions(name: Path | str, embodiment: Embodiment) -> frozenset[str]:
    """Every instruction that a robot was trained on; reads no weight.

    Args:
        name: a folder, or ``owner/model`` on the hub.
    Raises:
        CheckpointError: the robot is unknown, or the checkpoint does not say.
    """
    folder = find_checkpoint(name)
    instructions = _known(folder, embodiment).get("instructions")
    if not isinstance(instructions, list) or not all(isinstance(i, str) for i in instructions):
        raise CheckpointError(
            f"{folder / EMBODIMENTS}: {embodiment.name}: 'instructions' does not list the "
            "sentences of its training"
        )
    return frozenset(instructions)


def _known(folder: Path, embodiment: Embodiment) -> dict[str, Any]:
    """What a checkpoint stores about a robot."""
    known = read_json(folder / EMBODIMENTS)
    if embodiment.name not in known:
        raise CheckpointError(
            f"{folder}: not trained for {embodiment.name}, only for {', '.join(sorted(known))}"
        )
    trained = known[embodiment.name]
    if not isinstance(trained, dict):
        raise CheckpointError(f"{folder / EMBODIMENTS}: {embodiment.name} is no JSON object")
    return trained


def as_trained(name: Path | str, embodiment: Embodiment) -> Embodiment:
    """The robot with views as large as a checkpoint was trained with; reads no weight.

    How large they are belongs to the network. Whatever a topic carries is resized.

    Args:
        name: a folder, or ``owner/model`` on the hub.
    Returns:
        The robot as it is, where its cameras are not the checkpoint's; ``load_action_space`` says
        how they differ.
    Raises:
        CheckpointError: the robot is unknown.
    """
    cameras = _known(find_checkpoint(name), embodiment).get("cameras")
    with suppress(TypeError, KeyError, ValueError):
        return with_views(embodiment, [(c["width"], c["height"]) for c in cameras])
    return embodiment


def load_action_space(name: Path | str, embodiment: Embodiment) -> ActionSpace:
    """How the checkpoint encodes the actions of a robot; reads no weight.

    Args:
        name: a folder, or ``owner/model`` on the hub.
    Raises:
        CheckpointError: the robot is unknown, or something about it differs from training.
    """
    folder = find_checkpoint(name)
    embodiment, trained = as_trained(folder, embodiment), _known(folder, embodiment)
    for key, value in embodiment_signature(embodiment).items():
        if trained.get(key) != value:
            raise CheckpointError(
                f"{folder}: trained on {embodiment.name} with {key} {trained.get(key)}, "
                f"but the embodiment says {value}"
            )
    try:
        space = ActionSpace.model_validate(trained.get("action_space"))
    except ValidationError as error:
        raise CheckpointError(f"{folder / EMBODIMENTS}: {embodiment.name}: {error}") from error
    channels = len(embodiment.action_channels)
    if len(space.relations) != channels:
        raise CheckpointError(
            f"{folder}: the action space has {len(space.relations)} channels, but "
            f"{embodiment.name} has {channels}"
        )
    if wrong := misfits(space.relations, embodiment):
        raise CheckpointError(f"{folder}: {embodiment.name}: {'; '.join(wrong)}")
    if len(space.q01) != embodiment.horizon:
        raise CheckpointError(
            f"{folder}: the action space has {len(space.q01)} steps, but {embodiment.name} plans "
            f"{embodiment.horizon}"
        )
    return space


@cache
def checkpoint_digest(name: Path | str) -> str:
    """A hash of all files of a checkpoint that decide what its policy does."""
    digest = hashlib.sha256()
    for file in sorted(find_checkpoint(name, weights=True).iterdir()):
        if file.is_file() and file.name not in (TRAINING, VIEWS):
            digest.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
