"""Checkpoints: folders in Hugging Face layout, without a single pickle.

config.json          sizes (config.py)
model.safetensors    weights, or shards with model.safetensors.index.json (weights.py)
tokenizer.json ...   the tokenizer
embodiments.json     for each robot it was trained on: horizon, channels, q01/q99, views,
                     and the action space that was fitted to its data
images.json          what each camera showed in its training (qwen_vla_data/view_statistics.py)
training.json        how it was trained; for people, never read back
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from transformers import PreTrainedTokenizerFast

from qwen_vla_core.errors import CheckpointError
from qwen_vla_data.view_statistics import ViewStatistics, save_view_statistics

from .config import QwenVlaConfig
from .hub import CONFIG, EMBODIMENTS, TOKENIZER, TRAINING, find_checkpoint
from .json_file import read_json
from .model import QwenVla
from .precision import WEIGHTS, Weights, require_memory
from .weights import load_weights, save_weights


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
