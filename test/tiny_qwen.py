"""A Qwen3.5 checkpoint of a few thousand parameters, random, as transformers itself writes it."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import Qwen3_5Config, Qwen3_5ForConditionalGeneration, Qwen3_5Tokenizer

SPARE_ROWS = 40
"""Rows of the embedding that no token uses; Qwen3.5 has 243."""


def save_tiny_qwen(
    folder: Path, *, tied: bool = True, shard_size: str = "5GB", spare_rows: int = SPARE_ROWS
) -> None:
    """Write config.json, the tokenizer and the weights."""
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(folder)
    config = _config(tokenizer, tied, spare_rows)
    torch.manual_seed(0)
    Qwen3_5ForConditionalGeneration(config).save_pretrained(folder, max_shard_size=shard_size)
    # Two things that the published checkpoints have: the vision tower's old name, and layers that
    # forecast more tokens, which transformers does not build.
    described = json.loads((folder / "config.json").read_text())
    described["vision_config"]["model_type"] = "qwen3_5"
    (folder / "config.json").write_text(json.dumps(described))
    if (file := folder / "model.safetensors").exists():
        save_file(load_file(file) | {"mtp.fc.weight": torch.ones(2, 2)}, file)


def _tokenizer() -> Qwen3_5Tokenizer:
    """Qwen's class on a small vocabulary, with its special tokens."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    bpe.train_from_iterator(["pick up the red block and put it into the bowl"] * 9, trainer)
    model = json.loads(bpe.to_str())["model"]
    merges = [tuple(pair) for pair in model["merges"]]
    vocab = model["vocab"] | {"<|endoftext|>": len(model["vocab"])}
    tokenizer = Qwen3_5Tokenizer(vocab=vocab, merges=merges)
    tokenizer.add_tokens(
        [
            "<|im_start|>",
            "<|im_end|>",
            "<|vision_start|>",
            "<|vision_end|>",
            "<|image_pad|>",
            "<|video_pad|>",
        ],
        special_tokens=True,
    )
    return tokenizer


def _config(tokenizer, tied: bool, spare_rows: int) -> Qwen3_5Config:
    start, end, image, video = tokenizer.convert_tokens_to_ids(
        ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    )
    return Qwen3_5Config(
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
        tie_word_embeddings=tied,
        dtype="bfloat16",
        text_config={
            "vocab_size": len(tokenizer) + spare_rows,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 64,
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 4,
            "linear_key_head_dim": 16,
            "linear_value_head_dim": 16,
            "initializer_range": 0.2,
            "tie_word_embeddings": tied,
            "dtype": "bfloat16",
            "mtp_num_hidden_layers": 1,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10_000_000.0,
                "partial_rotary_factor": 0.25,
                "mrope_section": [3, 3, 2],
                "mrope_interleaved": True,
            },
        },
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_heads": 2,
            "patch_size": 16,
            "temporal_patch_size": 2,
            "spatial_merge_size": 2,
            "num_position_embeddings": 36,
            "initializer_range": 0.2,
            "out_hidden_size": 32,
        },
    )
