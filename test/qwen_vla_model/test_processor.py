"""Prompts, images and states on their way into the network; the tokenizer and the action space."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast, Qwen2VLImageProcessor

from qwen_vla_core.embodiment import build_prompt, load_embodiment, parse_embodiment
from qwen_vla_core.errors import CheckpointError
from qwen_vla_core.resources import SHIPPED_CHECKPOINT
from qwen_vla_model.checkpoint import load_tokenizer
from qwen_vla_model.config import QwenVlaConfig, qwen_vla_tiny
from qwen_vla_model.images import patchify
from qwen_vla_model.processor import TILE, Processor
from qwen_vla_model.tokenizer import (
    CLAUSES,
    IMAGE,
    TAG_TOKENS,
    VIEW_TAGS,
    tag_tokens,
    train_tokenizer,
    trained_bpe,
)
from robots import base_text, robot, two_arms_text
from tiny_qwen import save_tiny_qwen

WIDOWX_FILE = Path(__file__).parents[2] / "embodiments" / "widowx.yaml"
WIDOWX = load_embodiment(WIDOWX_FILE)
TOKENIZER = train_tokenizer()
CONFIG = qwen_vla_tiny(len(TOKENIZER), TOKENIZER.convert_tokens_to_ids(IMAGE))


def processor(proprioception="expert", robot=WIDOWX, **over):
    config = CONFIG.model_dump() | over
    config["expert"] |= {"proprioception": proprioception}
    return Processor(QwenVlaConfig.model_validate(config), TOKENIZER, robot)


def widowx(*changes):
    """The WidowX with parts of its description replaced."""
    text = WIDOWX_FILE.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return parse_embodiment(text, "robot.yaml")


def black(frames=1, observations=1):
    return torch.zeros(observations, frames, 96, 96, 3, dtype=torch.uint8)


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
    assert "following task: state: [0, 64, 128, 192, 255, 255, 255] go." in text


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
    images = [black(), black()]
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
    for text in (*CLAUSES, *(token for tag in VIEW_TAGS for token in tag_tokens(tag))):
        assert len(TOKENIZER(text, add_special_tokens=False)["input_ids"]) == 1


def test_when_the_tokenizer_is_trained_again_expect_the_same():
    trained_bpe.cache_clear()
    assert train_tokenizer().get_vocab() == TOKENIZER.get_vocab()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"horizon": 8}, "horizon 16"),
        ({"channels": 6}, "7 channels"),
        ({"channels": 80, "channel_layout": "canonical"}, "Euler angles have no slot"),
        ({"robot": widowx(("width: 96", "width: 100"))}, "camera over_shoulder is 100 x 96"),
    ],
)
def test_when_the_robot_does_not_fit_the_model_expect_refusal(change, named):
    with pytest.raises(CheckpointError, match=named):
        processor(**change)


def test_when_another_robots_sentence_is_in_the_prompt_expect_it_after_the_robots_own_views():
    make, end = processor(), "<|cam_left_wrist_end|>"
    own = TOKENIZER.decode(make.tokens("stop", np.zeros(7)))
    make.prompt_embodiment = robot(two_arms_text())
    wrong = TOKENIZER.decode(make.tokens("stop", np.zeros(7)))
    make.prompt_embodiment = None
    none = TOKENIZER.decode(make.tokens("stop", np.zeros(7)))
    seen, sentence = own.rsplit(end, 1)
    assert sentence == build_prompt(WIDOWX, "stop")
    assert wrong == seen + end + build_prompt(robot(two_arms_text()), "stop")
    assert none == seen + end + "stop."


def test_when_the_robot_has_fewer_steps_than_the_model_expect_the_rest_to_be_padding():
    inputs = processor(horizon=20)([black(), black()], [0], ["go"], np.zeros((1, 7)))
    assert inputs.valid_PHK.shape == (1, 20, CONFIG.channels)
    assert inputs.valid_PHK[0, :16, :7].all() and inputs.valid_PHK.sum() == 16 * 7


def test_when_a_view_has_history_expect_its_images_oldest_first_inside_its_tag():
    robot = widowx(("tag: ego\n", "tag: ego\n    history_steps: [2, 5]\n"))
    make = processor(robot=robot)
    merge = CONFIG.backbone["vision_config"]["spatial_merge_size"]
    image = "<|vision_start|>" + IMAGE * (12 // merge) ** 2 + "<|vision_end|>"
    text = TOKENIZER.decode(make.tokens("go", np.zeros(7)))
    assert text.startswith(f"<|ego_start|>{image * 3}<|ego_end|><|cam_left_wrist_start|>{image}<|")

    ego = torch.stack([torch.full((96, 96, 3), value) for value in (1, 2, 3)])[None].byte()
    inputs = make([ego, black()], [0], ["go"], np.zeros((1, 7)))
    assert inputs.grids == (make.grids[0],) * 4
    levels = [patches.unique().item() for patches in inputs.patches]
    np.testing.assert_allclose(levels, np.array([1, 2, 3, 0]) / 127.5 - 1.0, atol=1e-6)


def test_when_an_optional_view_has_no_image_expect_no_word_of_it():
    robot = widowx(("tag: cam_left_wrist\n", "tag: cam_left_wrist\n    optional: true\n"))
    make = processor(robot=robot)
    inputs = make([black(), None], [0], ["go"], np.zeros((1, 7)))
    assert len(inputs.patches) == len(inputs.grids) == 1
    assert "wrist" not in TOKENIZER.decode(inputs.input_ids_PL[0])
    assert "ego_start" in TOKENIZER.decode(inputs.input_ids_PL[0])


def test_when_the_tokenizer_has_never_seen_a_view_expect_refusal_by_tag():
    depth = widowx(("tag: ego\n", "tag: ego_depth\n    depth_range_m: [0.2, 2]\n"))
    processor(robot=depth)  # ours knows it
    content = json.loads(TOKENIZER.backend_tokenizer.to_str())
    content["added_tokens"] = [t for t in content["added_tokens"] if "depth" not in t["content"]]
    content["model"]["vocab"] = {
        token: i for token, i in content["model"]["vocab"].items() if "depth" not in token
    }
    older = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(content)), pad_token=TOKENIZER.pad_token
    )
    with pytest.raises(CheckpointError, match="no token .*ego_depth_start"):
        Processor(CONFIG, older, depth)


@pytest.mark.parametrize("proprioception", ["none", "prompt", "expert"])
def test_when_a_robot_has_no_state_expect_a_prompt_without_it(proprioception):
    base = parse_embodiment(base_text().replace("32", "96"), "base.yaml")
    make = processor(proprioception, robot=base)
    state_P0 = make.codec.state(np.zeros(3))[None]
    inputs = make([black()], [0], ["go"], state_P0)
    assert "state" not in TOKENIZER.decode(inputs.input_ids_PL[0])
    assert not inputs.state_PK.any() and inputs.valid_PHK[..., :3].all()


def test_when_the_layout_is_canonical_expect_state_and_actions_in_the_slots_of_their_arm():
    text = re.sub(r"(?<!\.)\b32\b", "96", two_arms_text())  # pixels, not 0.32 s
    arms = parse_embodiment(text, "x.yaml")
    make = processor(robot=arms, channels=80, channel_layout="canonical")
    slots = [0, 1, 16, 29, 30, 45]
    inputs = make([black()], [0], ["go"], np.array([[3.0, 1.6, 1.0, -3.0, -1.7, 0.0]]))
    expected = np.zeros(80)
    expected[slots] = [1, 1, 1, -1, -1, -1]
    np.testing.assert_allclose(inputs.state_PK[0], expected, atol=1e-6)
    assert inputs.valid_PHK[0, 0].nonzero().flatten().tolist() == slots
    actions_NTC = np.random.default_rng(0).uniform(-1, 1, (2, 5, 6)).astype(np.float32)
    placed = make.place_actions(actions_NTC)
    assert placed.shape == (2, 16, 80) and not placed[..., ~inputs.valid_PHK[0, 0]].any()
    np.testing.assert_array_equal(make.take_actions(placed)[:, :5], actions_NTC)


def specials(tokenizer):
    return sorted(t.content for t in tokenizer.added_tokens_decoder.values() if t.special)


@pytest.fixture(scope="module")
def shipped():
    return load_tokenizer(SHIPPED_CHECKPOINT)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory):
    """Qwen's class with its special tokens, a role's and one that is added without being special,
    and the tags of views, as a checkpoint gets them."""
    folder = tmp_path_factory.mktemp("qwen")
    save_tiny_qwen(folder)
    tokenizer = load_tokenizer(folder)
    tokenizer.add_tokens(["<|im_start|>", "<|im_end|>", *TAG_TOKENS], special_tokens=True)
    tokenizer.add_tokens(["<think>", "</think>"])
    return tokenizer


def prompt_tokens(tokenizer, instruction, robot=WIDOWX):
    sizes = qwen_vla_tiny(len(tokenizer), tokenizer.convert_tokens_to_ids(IMAGE))
    return Processor(sizes, tokenizer, robot).tokens(instruction, np.zeros(7))


@pytest.mark.parametrize("name", ["shipped", "qwen"])
def test_when_an_instruction_holds_control_tokens_expect_them_as_plain_text(name, request):
    tokenizer = request.getfixturevalue(name)
    controls = specials(tokenizer) + ["<think>"] * (name == "qwen")
    assert IMAGE in controls and len(controls) > 10
    plain = prompt_tokens(tokenizer, "pick up the block")
    ids = set(tokenizer.convert_tokens_to_ids(controls))
    for control in controls:
        for typed in (control, control.upper(), f"pick up the {control}{control} block"):
            tokens = prompt_tokens(tokenizer, typed)
            counts = [[row.count(i) for i in ids] for row in (tokens, plain)]
            assert counts[0] == counts[1], typed
            assert tokenizer.decode(tokens).endswith(f"task: {typed.lower()}.")


@pytest.mark.parametrize("name", ["shipped", "qwen"])
def test_when_control_tokens_are_inside_each_other_expect_none(name, request):
    tokenizer = request.getfixturevalue(name)
    plain = prompt_tokens(tokenizer, "go")
    image = tokenizer.convert_tokens_to_ids(IMAGE)
    for typed in (f"<|{IMAGE}image_pad|>", f"<{IMAGE}", f"＜|image_pad|＞ {IMAGE}"):
        tokens = prompt_tokens(tokenizer, typed)
        assert tokens.count(image) == plain.count(image), typed


def test_when_the_words_of_an_embodiment_hold_control_tokens_expect_them_as_plain_text(shipped):
    tagged = widowx(("robot_tag: widowX", f"robot_tag: '{IMAGE}<|endoftext|>'"))
    plain = prompt_tokens(shipped, "go")
    tokens = prompt_tokens(shipped, "go", tagged)
    for token in (IMAGE, "<|endoftext|>"):
        number = shipped.convert_tokens_to_ids(token)
        assert tokens.count(number) == plain.count(number)
    assert f"The robot is {IMAGE}<|endoftext|> with" in shipped.decode(tokens)


@given(st.text(max_size=100))
def test_when_words_hold_no_control_token_expect_the_tokens_of_the_whole_sentence(text):
    make = processor()
    if make._controls.search(text) is None:
        assert make._tokenize_words(text) == make._tokenize(text)


def test_when_a_sentence_is_asked_again_expect_its_tokens_without_the_tokenizer(monkeypatch):
    ours, state_S = processor(), np.zeros(7)
    tokens = ours.tokens("pick up the red block", state_S)
    monkeypatch.setattr(ours, "tokenizer", None)  # whoever asks it now fails
    assert ours.tokens("pick up the red block", state_S) == tokens
    with pytest.raises(TypeError):
        ours.tokens("pick up the blue block", state_S)


@pytest.mark.parametrize("proprioception", ["expert", "none"])
def test_when_prompts_are_padded_to_a_length_expect_whole_tiles_with_the_actions(proprioception):
    ours = processor(proprioception)
    for words in range(40):
        spare = ours.room_for(words) - ours.tokens_around - words
        assert 0 <= spare < TILE and (ours.room_for(words) + ours.action_tokens) % TILE == 0
