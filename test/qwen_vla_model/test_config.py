"""The published sizes come out, and sizes that contradict each other are refused."""

import copy

import pytest
import torch
from pydantic import ValidationError
from transformers import Qwen3_5Config

from micro_qwen_vla import micro_config
from qwen_vla_model.config import QwenVlaConfig, qwen_vla_5b
from qwen_vla_model.model import QwenVla

# The published config.json of Qwen3.5-4B, as far as it describes the network.
QWEN3_5_4B_TEXT = {
    "attention_bias": False,
    "attn_output_gate": True,
    "full_attention_interval": 4,
    "head_dim": 256,
    "hidden_act": "silu",
    "hidden_size": 2560,
    "intermediate_size": 9216,
    "layer_types": (["linear_attention"] * 3 + ["full_attention"]) * 8,
    "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 128,
    "linear_num_key_heads": 16,
    "linear_num_value_heads": 32,
    "linear_value_head_dim": 128,
    "max_position_embeddings": 262144,
    "num_attention_heads": 16,
    "num_hidden_layers": 32,
    "num_key_value_heads": 4,
    "rms_norm_eps": 1e-6,
    "rope_parameters": {
        "mrope_interleaved": True,
        "mrope_section": [11, 11, 10],
        "partial_rotary_factor": 0.25,
        "rope_theta": 10_000_000,
        "rope_type": "default",
    },
    "tie_word_embeddings": True,
    "vocab_size": 248320,
}
QWEN3_5_4B_VISION = {
    "depth": 24,
    "hidden_act": "gelu_pytorch_tanh",
    "hidden_size": 1024,
    "in_channels": 3,
    "intermediate_size": 4096,
    "num_heads": 16,
    "num_position_embeddings": 2304,
    "out_hidden_size": 2560,
    "patch_size": 16,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
}
QWEN3_5_4B_TOKENS = {
    "image_token_id": 248056,
    "video_token_id": 248057,
    "vision_start_token_id": 248053,
    "vision_end_token_id": 248054,
    "tie_word_embeddings": True,
}


@pytest.fixture(scope="module")
def full_size():
    with torch.device("meta"):
        return QwenVla(qwen_vla_5b())


def count_m(*modules) -> float:
    return sum(p.numel() for module in modules for p in module.parameters()) / 1e6


def test_when_the_full_size_is_built_expect_every_published_count(full_size):
    expert = full_size.expert
    assert len(expert.blocks) == 16
    for block in expert.blocks:
        assert count_m(block) == pytest.approx(70.8, abs=0.05)
    assert count_m(expert.blocks) == pytest.approx(1130, abs=5)
    assert count_m(expert.action_in, expert.action_out) == pytest.approx(4.9, abs=0.05)
    assert count_m(expert.context_in) == pytest.approx(3.9, abs=0.05)
    assert count_m(expert.time_in) == pytest.approx(2.8, abs=0.05)
    assert count_m(expert.modulation_out) == pytest.approx(4.7, abs=0.05)
    assert count_m(expert) == pytest.approx(1150, abs=5)
    config = full_size.config
    assert (config.horizon, config.expert.context) == (16, "joint")
    assert (config.expert.proprioception, config.expert.prediction) == ("none", "velocity")


def test_when_the_full_size_is_built_expect_the_backbone_of_qwen3_5_4b(full_size):
    backbone = full_size.backbone
    ours, published = (
        config.to_dict()
        for config in (
            backbone.config,
            Qwen3_5Config(
                **QWEN3_5_4B_TOKENS, text_config=QWEN3_5_4B_TEXT, vision_config=QWEN3_5_4B_VISION
            ),
        )
    )
    for part, keys in (
        ("text_config", QWEN3_5_4B_TEXT),
        ("vision_config", QWEN3_5_4B_VISION),
    ):
        # What the class does not know (an interval, a gate that is always there) it ignores.
        known = [key for key in keys if hasattr(getattr(backbone.config, part), key)]
        assert {k: ours[part][k] for k in known} == {k: published[part][k] for k in known}
    assert {k: ours[k] for k in QWEN3_5_4B_TOKENS} == QWEN3_5_4B_TOKENS
    assert backbone.config.text_config.layer_types == QWEN3_5_4B_TEXT["layer_types"]
    assert count_m(backbone.language_model) == pytest.approx(4206, abs=1)
    assert count_m(backbone.visual) == pytest.approx(306 + 27, abs=2)
    assert count_m(backbone) == pytest.approx(4540, abs=2)
    linear, full = backbone.language_model.layers[2], backbone.language_model.layers[3]
    assert linear.linear_attn.in_proj_qkv.weight.shape == (2 * 16 * 128 + 32 * 128, 2560)
    assert full.self_attn.q_proj.weight.shape == (2 * 16 * 256, 2560)  # queries and their gates
    assert full.self_attn.k_proj.weight.shape == (4 * 256, 2560)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("text_config", "hidden_size"), "wide", "hidden_size"),
        (("text_config", "hidden_size"), 48, "out_hidden_size 32, text 48"),
        (("text_config", "layer_types"), ["new"], "layer_types"),
        (("text_config", "rope_parameters"), 5, "rope_parameters"),
        (("text_config", "rope_parameters", "mrope_section"), [16], "three numbers"),
        (("text_config", "rope_parameters", "mrope_section"), [6, 5, 4], "fill 32 rotary"),
        (("expert",), 16, "head_dim 16 < backbone rotary 32"),
        (("vision_config", "depth"), None, "depth"),
        (("vision_config", "patch_size"), [8, 8], "patch_size"),
        (("vision_config", "spatial_merge_size"), 0, "spatial_merge_size"),
        (("text_config",), 7, "text_config"),
        (("vision_config", "depth"), 10**6, "more than 1000 layers"),
        (("image_token_id",), 64, "image_token_id 64 of 64 tokens"),
    ],
)
def test_when_sizes_are_wrong_or_contradict_each_other_expect_their_names(path, value, named):
    config = copy.deepcopy(micro_config().model_dump())
    *parents, last = path
    place = config["backbone"]
    if last == "expert":
        place, last = config["expert"], "head_dim"
    for key in parents:
        place = place[key]
    place[last] = value
    with pytest.raises(ValidationError, match=named):
        QwenVlaConfig.model_validate(config)
