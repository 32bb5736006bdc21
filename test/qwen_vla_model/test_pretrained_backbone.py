"""A new model around a Qwen3.5 checkpoint: its numbers are transformers' own, its tags are new."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, Qwen3_5ForConditionalGeneration

from qwen_vla_core.errors import CheckpointError
from qwen_vla_model.checkpoint import from_pretrained, load_tokenizer, save_pretrained
from qwen_vla_model.config import ExpertConfig
from qwen_vla_model.pretrained_backbone import from_qwen
from qwen_vla_model.tokenizer import TAG_TOKENS
from qwen_vla_model.weights import INDEX, SINGLE
from tiny_qwen import save_tiny_qwen

EXPERT = ExpertConfig(
    width=32,
    blocks=2,
    heads=2,
    head_dim=32,
    mlp_hidden=48,
    context="joint",
    proprioception="none",
    prediction="velocity",
)


@pytest.fixture
def folder(tmp_path):
    save_tiny_qwen(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("tied", "shard_size"), [(True, "5GB"), (False, "5GB"), (False, "40KB")])
@torch.no_grad()
def test_when_built_on_a_checkpoint_expect_the_hidden_states_of_transformers(
    tmp_path, tied, shard_size
):
    save_tiny_qwen(tmp_path, tied=tied, shard_size=shard_size)
    assert (tmp_path / INDEX).exists() == (shard_size == "40KB")
    model, tokenizer = from_qwen(tmp_path, EXPERT)
    stock = Qwen3_5ForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.float32).model
    grid, patches = (4, 6), torch.randn(24, 3 * 2 * 16 * 16)
    images = 24 // 4
    text = f"<|vision_start|>{'<|image_pad|>' * images}<|vision_end|>pick up the red block"
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    at = tuple(range(1, 1 + images))
    backbone = model.backbone
    ours = backbone.encode(
        ids,
        backbone.encode_images(patches[None], grid),
        at,
        backbone.positions(1, ids.shape[1], at, (grid,), ids.device),
    )
    image = ids == backbone.config.image_token_id
    assert image.sum() == images
    theirs = stock(
        input_ids=ids,
        mm_token_type_ids=image.int(),
        pixel_values=patches,
        image_grid_thw=torch.tensor([[1, *grid]]),
    ).last_hidden_state
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_when_built_on_a_checkpoint_expect_a_fresh_expert_and_all_of_it_trainable(folder):
    model, _ = from_qwen(folder, EXPERT, horizon=8)
    assert model.config.horizon == 8 and model.config.expert == EXPERT
    for name, parameter in model.named_parameters():
        assert parameter.dtype == torch.float32 and parameter.device.type == "cpu", name
        assert parameter.requires_grad and parameter.isfinite().all(), name
    assert not model.expert.modulation_out.weight.any()  # starts from zero, as from scratch


def test_when_words_are_tokenized_expect_qwens_own_tokens_and_one_for_each_end_of_a_view(folder):
    _, tokenizer = from_qwen(folder, EXPERT)
    stock = AutoTokenizer.from_pretrained(folder)
    for text in (
        "Pick up the red block!",
        "naïve 北京 12 cm\n\n",
        "<|vision_start|><|image_pad|>",
    ):
        assert tokenizer(text)["input_ids"] == stock(text)["input_ids"]
    ids = tokenizer("".join(TAG_TOKENS))["input_ids"]
    assert ids == list(range(len(stock), len(stock) + len(TAG_TOKENS)))


def test_when_tags_are_new_expect_the_mean_of_their_pieces_and_no_other_row_changed(folder):
    model, tokenizer = from_qwen(folder, EXPERT)
    ours = model.backbone.language_model.embed_tokens.weight
    stored = load_file(folder / SINGLE)["model.language_model.embed_tokens.weight"].float()
    stock = AutoTokenizer.from_pretrained(folder)
    rows = tokenizer.convert_tokens_to_ids(list(TAG_TOKENS))
    for tag, row in zip(TAG_TOKENS, rows, strict=True):
        pieces = stock(tag)["input_ids"]
        assert len(pieces) > 3
        torch.testing.assert_close(ours[row], stored[pieces].mean(0))
    others = [row for row in range(len(stored)) if row not in rows]
    assert torch.equal(ours[others], stored[others])
    assert len(torch.unique(ours[rows], dim=0)) == len(rows)  # no two views look alike


def test_when_saved_and_loaded_expect_the_same_model_and_tokens(folder, tmp_path):
    model, tokenizer = from_qwen(folder, EXPERT)
    again = tmp_path / "ours"
    save_pretrained(again, model, tokenizer, {}, {}, dtype=torch.float32)
    loaded = from_pretrained(again)
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    assert load_tokenizer(again).get_vocab() == tokenizer.get_vocab()


def test_when_there_is_no_row_left_for_the_tags_expect_refusal(tmp_path):
    save_tiny_qwen(tmp_path, spare_rows=3)
    with pytest.raises(CheckpointError, match="highest token is .*, but the model has"):
        from_qwen(tmp_path, EXPERT)


def test_when_it_is_another_kind_of_model_expect_its_name(folder):
    described = json.loads((folder / "config.json").read_text())
    for kind in ("qwen3_5_moe", "qwen_vla", None):
        (folder / "config.json").write_text(json.dumps(described | {"model_type": kind}))
        with pytest.raises(CheckpointError, match=f"model_type is {kind}, not qwen3_5"):
            from_qwen(folder, EXPERT)


def test_when_an_image_token_is_not_the_tokenizers_expect_both(folder):
    described = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(described | {"image_token_id": 3}))
    with pytest.raises(CheckpointError, match="image_token_id is 3"):
        from_qwen(folder, EXPERT)


def test_when_its_tensors_are_missing_left_over_or_misshapen_expect_each_named(folder):
    tensors = load_file(folder / SINGLE)
    del tensors["model.visual.merger.norm.weight"]
    tensors["model.surplus"] = torch.zeros(1)
    tensors["model.language_model.norm.weight"] = torch.zeros(5)
    save_file(tensors, folder / SINGLE)
    with pytest.raises(CheckpointError) as error:
        from_qwen(folder, EXPERT)
    assert "missing backbone.visual.merger.norm.weight" in str(error.value)
    assert "unexpected backbone.surplus" in str(error.value)
    assert "backbone.language_model.norm.weight is (5,), not (32,)" in str(error.value)


def test_when_the_expert_does_not_fit_the_backbone_expect_both_sizes(folder):
    with pytest.raises(CheckpointError, match="head_dim 8 < backbone rotary 16"):
        from_qwen(folder, EXPERT.model_copy(update={"head_dim": 8}))
