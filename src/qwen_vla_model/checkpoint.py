"""Checkpoints: folders in Hugging Face layout, without a single pickle.

config.json          sizes (config.py)
model.safetensors    weights, or shards with model.safetensors.index.json (weights.py)
tokenizer.json ...   the tokenizer
embodiments.json     for each robot it was trained on: horizon, channels, q01/q99, views,
                     and the action space that was fitted to its data
images.json          what each camera showed in its training (qwen_vla_data/view_statistics.py)
training.json        how it was trained; for people, never read back
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from transformers import PreTrainedTokenizerFast

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.signature import embodiment_signature, with_views
from qwen_vla_core.errors import CheckpointError
from qwen_vla_data.view_statistics import FILE as VIEWS
from qwen_vla_data.view_statistics import ViewStatistics, save_view_statistics

from .action_space import ActionSpace, misfits
from .config import QwenVlaConfig
from .hub import CONFIG, EMBODIMENTS, TOKENIZER, find_checkpoint
from .model import QwenVla
from .precision import WEIGHTS, Weights, require_memory
from .weights import load_weights, read_json, save_weights

TRAINING = "training.json"


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


def save_pretrained(
    folder: Path,
    model: QwenVla,
    tokenizer: PreTrainedTokenizerFast,
    embodiments: Mapping[str, dict],
    training: Mapping[str, Any],
    *,
    views: Mapping[str, Mapping[str, ViewStatistics]] | None = None,
    dtype: torch.dtype = torch.bfloat16,
    shard_size: int | str = "5GB",
    tensors: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """Write a checkpoint folder.

    Args:
        embodiments: name -> ``embodiment_signature`` and "action_space".
        training: whatever is worth remembering about the training; JSON types.
        views: name -> view tag -> what its camera showed in the training.
        dtype: what the weights are stored as.
        shard_size: bytes of weights, or e.g. "5GB", from which on they are split into shards.
        tensors: the weights, where the model holds only a part of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    for name, content in (
        (CONFIG, model.config.model_dump(mode="json")),
        (EMBODIMENTS, dict(embodiments)),
        (TRAINING, dict(training)),
    ):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")
    if views:
        save_view_statistics(folder, views)
    save_weights(folder, model, dtype, shard_size, tensors)


def load_config(folder: Path) -> QwenVlaConfig:
    """The sizes of a checkpoint.

    Raises:
        CheckpointError: config.json is missing, damaged or not a Qwen-VLA configuration.
    """
    try:
        return QwenVlaConfig.model_validate(read_json(folder / CONFIG))
    except (ValidationError, TypeError, KeyError) as error:
        raise CheckpointError(f"{folder / CONFIG}: {error}") from error


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a checkpoint."""
    if not (folder / TOKENIZER).is_file():
        raise CheckpointError(f"{folder / TOKENIZER}: missing")
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        tokenizer("pick up the red block")  # some damage shows only in use
        return tokenizer
    except Exception as error:  # the tokenizers library raises bare Exception on damaged files
        raise CheckpointError(f"{folder}: the tokenizer cannot be read ({error})") from error


def from_pretrained(
    name: Path | str, device: torch.device | str = "cpu", weights: Weights = "float32"
) -> QwenVla:
    """The model of a checkpoint, in evaluation mode.

    Args:
        name: a folder, or ``owner/model`` on the hub.
        weights: their data type, see ``precision.py``; the memory it takes is
            printed first. Quantised weights cannot be trained or saved.
    Raises:
        CheckpointError: there is no such checkpoint, a file is missing or damaged, memory is
            short, or tensors are missing, left over or of another shape; each is named.
    """
    if weights not in WEIGHTS:
        raise CheckpointError(f"weights '{weights}': choose one of {', '.join(WEIGHTS)}")
    try:
        device = torch.device(device)
    except RuntimeError as error:
        raise CheckpointError(f"device '{device}': choose cpu or cuda") from error
    folder = find_checkpoint(name)
    model = build_empty(load_config(folder), folder)
    require_memory(model, weights, device)
    load_weights(model, find_checkpoint(name, weights=True), device, weights)
    return model.to(device).eval()


def build_empty(config: QwenVlaConfig, folder: Path) -> QwenVla:
    """The network without weights: parameters on the meta device, everything else real.

    Raises:
        CheckpointError: no network has these sizes.
    """
    try:
        with torch.device("meta"):
            model = QwenVla(config)
    except Exception as error:  # sizes that contradict each other fail anywhere in transformers
        raise CheckpointError(
            f"{folder / CONFIG}: no network has these sizes ({error})"
        ) from error
    for module in list(model.modules()):
        for name, child in module.named_children():
            if any(buffer.is_meta for buffer in child.buffers(recurse=False)):
                # rotary embeddings: their frequencies follow from the configuration alone
                setattr(module, name, type(child)(child.config))
    return model
