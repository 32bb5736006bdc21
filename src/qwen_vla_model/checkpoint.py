"""Checkpoints: folders in Hugging Face layout, without a single pickle.

config.json          sizes (config.py)
model.safetensors    weights
tokenizer.json ...   the tokenizer
embodiments.json     for each robot it was trained on: horizon, channels, q01/q99, views,
                     and the action space that was fitted to its data
training.json        how it was trained; for people, never read back
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from transformers import PreTrainedTokenizerFast

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.errors import CheckpointError

from .action_space import ActionSpace
from .config import QwenVlaConfig
from .model import QwenVla

CONFIG, WEIGHTS, TRAINING = "config.json", "model.safetensors", "training.json"
TOKENIZER, EMBODIMENTS = "tokenizer.json", "embodiments.json"


def embodiment_signature(embodiment: Embodiment) -> dict[str, Any]:
    """What a checkpoint must share with a robot: everything that gives its numbers a meaning."""
    groups = embodiment.groups
    return {
        "horizon": embodiment.horizon,
        "action_hz": embodiment.action_hz,
        "prompt_words": embodiment.prompt_words.model_dump(mode="json"),
        "cameras": [
            {"tag": c.tag, "width": c.width, "height": c.height} for c in embodiment.cameras
        ],
        "action_channels": list(embodiment.action_channels),
        "action_q01": [q for g in groups for q in g.action_normalization.q01],
        "action_q99": [q for g in groups for q in g.action_normalization.q99],
        "state_channels": list(embodiment.state_channels),
        "state_q01": [
            q for g in groups if g.state_normalization for q in g.state_normalization.q01
        ],
        "state_q99": [
            q for g in groups if g.state_normalization for q in g.state_normalization.q99
        ],
    }


def load_action_space(folder: Path, embodiment: Embodiment) -> ActionSpace:
    """How the checkpoint encodes the actions of a robot; reads no weight.

    Raises:
        CheckpointError: the robot is unknown, or something about it differs from training.
    """
    known = _read_json(folder / EMBODIMENTS)
    if embodiment.name not in known:
        raise CheckpointError(
            f"{folder}: not trained for {embodiment.name}; it knows {', '.join(sorted(known))}"
        )
    trained = known[embodiment.name]
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
    if len(space.summed) != len(embodiment.action_channels):
        raise CheckpointError(f"{folder}: the action space has {len(space.summed)} channels")
    return space


def save_pretrained(
    folder: Path,
    model: QwenVla,
    tokenizer: PreTrainedTokenizerFast,
    embodiments: Mapping[str, dict],
    training: Mapping[str, Any],
    dtype: torch.dtype = torch.bfloat16,
) -> None:
    """Write a checkpoint folder.

    Args:
        embodiments: name -> ``embodiment_signature`` and "action_space".
        training: whatever is worth remembering about the training; JSON types.
        dtype: what the weights are stored as.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    for name, content in (
        (CONFIG, model.config.model_dump(mode="json")),
        (EMBODIMENTS, dict(embodiments)),
        (TRAINING, dict(training)),
    ):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")
    tensors = {name: t.to(dtype).contiguous() for name, t in model.state_dict().items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def load_config(folder: Path) -> QwenVlaConfig:
    """The sizes of a checkpoint.

    Raises:
        CheckpointError: config.json is missing, damaged or not a Qwen-VLA configuration.
    """
    try:
        return QwenVlaConfig.model_validate(_read_json(folder / CONFIG))
    except (ValidationError, TypeError, KeyError) as error:
        raise CheckpointError(f"{folder / CONFIG}: {error}") from error


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a checkpoint."""
    if not (folder / TOKENIZER).is_file():
        raise CheckpointError(f"{folder / TOKENIZER}: missing")
    try:
        return PreTrainedTokenizerFast.from_pretrained(folder)
    except Exception as error:  # the tokenizers library raises bare Exception on damaged files
        raise CheckpointError(f"{folder}: the tokenizer cannot be read ({error})") from error


def from_pretrained(folder: Path, device: torch.device | str = "cpu") -> QwenVla:
    """The model of a checkpoint, float32, in evaluation mode.

    Raises:
        CheckpointError: a file is missing or damaged, or tensors are missing, left over or of
            another shape; each is named.
    """
    model = QwenVla(load_config(folder))
    load_weights(model, folder / WEIGHTS)
    return model.to(device).eval()


def load_weights(model: torch.nn.Module, path: Path) -> None:
    """Copy the tensors of a safetensors file into ``model``, all of them or none.

    Raises:
        CheckpointError: as ``from_pretrained``.
    """
    wanted = model.state_dict()
    try:
        with safe_open(path, framework="pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}
            problems = [f"missing {name}" for name in wanted.keys() - shapes.keys()]
            problems += [f"unexpected {name}" for name in shapes.keys() - wanted.keys()]
            problems += [
                f"{name} is {shapes[name]}, not {tuple(wanted[name].shape)}"
                for name in wanted.keys() & shapes.keys()
                if shapes[name] != tuple(wanted[name].shape)
            ]
            if problems:
                raise CheckpointError(f"{path}: " + "; ".join(sorted(problems)))
            model.load_state_dict({name: file.get_tensor(name) for name in shapes})
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def _read_json(path: Path) -> dict:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: not a JSON object")
    return content
