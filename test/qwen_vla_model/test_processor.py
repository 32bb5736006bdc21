"""Prompts, images and states on their way into the network; the tokenizer and the action space."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import Qwen2VLImageProcessor

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import CheckpointError
from qwen_vla_model.action_space import ActionSpace
from qwen_vla_model.config import QwenVlaConfig, qwen_vla_tiny
from qwen_vla_model.pictures import patchify
from qwen_vla_model.processor import Processor
from qwen_vla_model.tokenizer import CLAUSES, IMAGE, VIEW_TAGS, train_tokenizer

WIDOWX = load_embodiment(Path(__file__).parents[2] / "embodiments" / "widowx.yaml")
TOKENIZER = train_tokenizer()
CONFIG = qwen_vla_tiny(len(TOKENIZER), TOKENIZER.convert_tokens_to_ids(IMAGE))


def processor(proprioception="expert", **over):
    config = CONFIG.model_dump() | over
    config["expert"] |= {"proprioception": proprioception}
    return Processor(QwenVlaConfig.model_validate(config), TOKENIZER, WIDOWX)


def test_when_a_prompt_is_built_expect_tagged_views_and_then_the_papers_sentence():
    merge = CONFIG.backbone["vision_config"]["spatial_merge_size"]
    image = "<|vision_start|>" + IMAGE * (12 // merge) ** 2 + "<|vision_end|>"
    assert TOKENIZER.decode(processor().tokens("pick up the red block", np.zeros(7))) == (
        f"<|ego_start|>{image}<|ego_end|><|cam_left_wrist_start|>{image}<|cam_left_wrist_end|>"
        "The robot is widowX with single arm. The control frequency is 5 Hz. Please predict the "
        "next 16 control actions to execute the following task: pick up the red block."
    )


def test_when_proprioception_is_in_the_prompt_expect_256_bins():
    state = np.array([-1.0, -0.5, 0.0, 0.5, 0.999, 1.0, 7.0])
    text = TOKENIZER.decode(processor("prompt").tokens("go", state))
    assert "state: [0, 64, 128, 192, 255, 255, 255] The robot is" in text


def test_when_images_are_cut_into_patches_expect_what_qwen_does():
    images = torch.randint(0, 256, (2, 96, 96, 3), dtype=torch.uint8)
    vision = CONFIG.backbone["vision_config"]
    stock = Qwen2VLImageProcessor(
        do_resize=False,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
        patch_size=vision["patch_size"],
        merge_size=vision["spatial_merge_size"],
        temporal_patch_size=vision["temporal_patch_size"],
    )(list(images.permute(0, 3, 1, 2)), return_tensors="pt")
    ours = patchify(images, CONFIG.backbone_config().vision_config)
    torch.testing.assert_close(ours.flatten(0, 1), stock["pixel_values"], rtol=0, atol=1e-5)
    assert tuple(stock["image_grid_thw"][0, 1:]) == processor().grids[0]


def test_when_prompts_differ_in_length_expect_padding_on_the_right():
    images = [torch.zeros(1, 96, 96, 3, dtype=torch.uint8)] * 2
    states = np.zeros((2, 7))
    inputs = processor()(images, [0, 0], ["stop", "put the blue cube on the towel"], states)
    assert inputs.mask_PL[1].all() and not inputs.mask_PL[0].all()
    assert inputs.mask_PL[0].diff().sum() == 1 and inputs.mask_PL[0, 0]
    assert inputs.state_PK.shape == (2, CONFIG.channels) and not inputs.state_PK[:, 7:].any()


@given(st.text(max_size=200))
def test_when_any_text_is_encoded_expect_it_back(text):
    ids = TOKENIZER(text, add_special_tokens=False)["input_ids"]
    if not any(token in text for token in TOKENIZER.all_special_tokens):
        assert TOKENIZER.decode(ids) == text


def test_when_the_prompt_has_fixed_clauses_or_tags_expect_one_token_each():
    for text in (*CLAUSES, *(f"<|{tag}_{end}|>" for tag in VIEW_TAGS for end in ("start", "end"))):
        assert len(TOKENIZER(text, add_special_tokens=False)["input_ids"]) == 1


def test_when_the_tokenizer_is_trained_again_expect_the_same():
    assert train_tokenizer().get_vocab() == TOKENIZER.get_vocab()


@pytest.mark.parametrize(
    ("change", "named"), [({"horizon": 8}, "horizon 16"), ({"channels": 6}, "7 channels")]
)
def test_when_the_robot_does_not_fit_the_model_expect_refusal(change, named):
    with pytest.raises(CheckpointError, match=named):
        processor(**change)


def test_when_the_robot_has_fewer_steps_than_the_model_expect_the_rest_to_be_padding():
    inputs = processor(horizon=20)(
        [torch.zeros(1, 96, 96, 3, dtype=torch.uint8)] * 2, [0], ["go"], np.zeros((1, 7))
    )
    assert inputs.valid_PHK.shape == (1, 20, CONFIG.channels)
    assert inputs.valid_PHK[0, :16, :7].all() and inputs.valid_PHK.sum() == 16 * 7


@given(st.integers(0, 2**32 - 1))
def test_when_actions_are_encoded_expect_them_back_and_deltas_summed(seed):
    chunks = np.random.default_rng(seed).uniform(-1, 1, (20, 16, 7))
    space = ActionSpace.fit(WIDOWX, chunks)
    encoded = space.encode(chunks)
    np.testing.assert_allclose(space.decode(encoded), chunks, atol=1e-9)
    assert space.summed == (True,) * 6 + (False,)
    low, high = np.array(space.q01[:6]), np.array(space.q99[:6])
    ends = low + (encoded[:, -1, :6] + 1) / 2 * (high - low)
    np.testing.assert_allclose(ends, chunks[..., :6].sum(1), atol=1e-9)


def test_when_a_channel_never_moves_expect_finite_codes():
    chunks = np.zeros((5, 16, 7))
    assert np.isfinite(ActionSpace.fit(WIDOWX, chunks).encode(chunks)).all()
