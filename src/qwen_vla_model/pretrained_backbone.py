"""A new Qwen-VLA around any Qwen3.5 checkpoint (paper section 2.2: its backbone is Qwen3.5-4B).

Vision and language come from the checkpoint, the expert starts fresh. The tokenizer is Qwen's
own. The view tags, which it lacks, take rows of the embedding that no token uses: Qwen3.5 has
248320 rows for 248077 tokens.
"""

from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn
from transformers import PreTrainedTokenizerFast

from qwen_vla_core.errors import CheckpointError

from .action_expert import ActionExpert
from .channel_layout import ChannelLayout
from .checkpoint import build_empty, load_tokenizer
from .config import PUBLISHED_EXPERT, ExpertConfig, QwenVlaConfig, qwen_vla
from .hub import CONFIG, find_folder
from .json_file import read_json
from .model import QwenVla
from .precision import Weights, require_memory
from .tokenizer import TAG_TOKENS, VIEW_TAGS, check_tokens
from .weights import load_weights

IMAGES = "preprocessor_config.json"
QWEN_MIN_PIXELS = 256 * 256
"""Pixels below which Qwen3.5's own preparation of images enlarges them (shortest_edge)."""

BACKBONE_KEYS = (
    "image_token_id",
    "video_token_id",
    "vision_start_token_id",
    "vision_end_token_id",
    "tie_word_embeddings",
    "text_config",
    "vision_config",
)
"""What a Qwen3.5 configuration says about the network; the rest is about files and versions."""


def from_qwen(
    name: Path | str,
    expert: ExpertConfig = PUBLISHED_EXPERT,
    horizon: int = 16,
    channel_layout: ChannelLayout = "native",
    device: torch.device | str = "cpu",
    weights: Weights = "float32",
) -> tuple[QwenVla, PreTrainedTokenizerFast]:
    """A model to be trained, and the tokenizer that goes with it.

    Tensor by tensor straight to the device: nothing is in memory twice. What it takes is printed
    first where it is much.

    Args:
        name: a folder, or ``owner/model`` on the hub.
        weights: of the backbone, see ``precision.py``; the expert, which learns, is float32.
    Raises:
        CheckpointError: it is no Qwen3.5 checkpoint, a file is missing or damaged, memory is
            short, or tensors are missing, left over or of another shape; each is named.
    """
    folder = find_folder(name, weights=False)
    config = config_around(folder, expert, horizon, channel_layout)
    tokenizer, pieces = tokenizer_with_tags(folder, config)
    model = build_empty(config, folder)
    require_memory(model, weights, torch.device(device), float32="expert.")
    backbone = nn.ModuleDict({"backbone": model.backbone})
    load_weights(backbone, find_folder(name, weights=True), device, weights, _backbone_name)
    with torch.device(device):
        model.expert = ActionExpert(config)
    embedding = model.backbone.language_model.embed_tokens.weight
    with torch.no_grad():  # a tag begins as the mean of the pieces it was until now
        rows = torch.stack([embedding[ids].mean(0) for ids in pieces])
        embedding[tokenizer.convert_tokens_to_ids(list(TAG_TOKENS))] = rows
    return model, tokenizer


def tokenizer_with_tags(
    folder: Path, config: QwenVlaConfig
) -> tuple[PreTrainedTokenizerFast, list[list[int]]]:
    """The tokenizer of a Qwen3.5 with a token for each end of a view.

    Returns:
        And the pieces that each of those was until now.
    Raises:
        CheckpointError: it is damaged, or not this model's.
    """
    tokenizer = load_tokenizer(folder)
    pieces = [tokenizer(tag, add_special_tokens=False)["input_ids"] for tag in TAG_TOKENS]
    tokenizer.add_tokens(list(TAG_TOKENS), special_tokens=True)
    check_tokens(tokenizer, config, VIEW_TAGS)
    return tokenizer, pieces


def config_around(
    folder: Path,
    expert: ExpertConfig,
    horizon: int,
    channel_layout: ChannelLayout = "native",
) -> QwenVlaConfig:
    """The configuration of a model on the Qwen3.5 of a folder.

    Raises:
        CheckpointError: it is none, or the expert does not fit it.
    """
    described = read_json(folder / CONFIG)
    if described.get("model_type") != "qwen3_5":
        raise CheckpointError(
            f"{folder / CONFIG}: model_type is {described.get('model_type')}, not qwen3_5"
        )
    backbone = {key: _without_type(described[key]) for key in BACKBONE_KEYS if key in described}
    try:
        config = qwen_vla(backbone, expert, horizon, channel_layout)
        return config.model_copy(update={"min_view_pixels": _min_pixels(folder)})
    except ValidationError as error:
        raise CheckpointError(f"{folder / CONFIG}: {error}") from error


def _min_pixels(folder: Path) -> int:
    """Pixels of the smallest image that the checkpoint's own preparation makes."""
    if not (folder / IMAGES).is_file():
        return QWEN_MIN_PIXELS
    described = read_json(folder / IMAGES)
    size = described.get("size")
    found = size.get("shortest_edge") if isinstance(size, dict) else described.get("min_pixels")
    return found if isinstance(found, int) and found >= 0 else QWEN_MIN_PIXELS


def _without_type(value: Any) -> Any:
    """A part of the configuration without the type it was saved in; ours is decided on loading."""
    if not isinstance(value, dict):
        return value
    return {key: item for key, item in value.items() if key not in ("dtype", "torch_dtype")}


def _backbone_name(key: str) -> str | None:
    """A tensor's name in ``QwenVla``; None for what it has not: output head, token forecasts."""
    if key.startswith(("lm_head.", "mtp.")):
        return None
    return f"backbone.{key.removeprefix('model.')}"
