"""Checkpoints and the policy on them: what is refused, before which work, and by which name."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from action_spaces import action_space
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.embodiment.signature import embodiment_signature
from qwen_vla_core.errors import CheckpointError, InstructionError, ObservationError
from qwen_vla_core.types import Observation
from qwen_vla_model.checkpoint import from_pretrained, save_pretrained
from qwen_vla_model.config import qwen_vla_tiny
from qwen_vla_model.model import QwenVla
from qwen_vla_model.policy import QwenVlaPolicy
from qwen_vla_model.tokenizer import IMAGE, train_tokenizer
from robots import robot, widowx_text

WIDOWX = load_embodiment(Path(__file__).parents[2] / "embodiments" / "widowx.yaml")
SPACE = action_space(WIDOWX, 1.0).model_dump(mode="json")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """A checkpoint of an untrained tiny model."""
    torch.manual_seed(0)
    tokenizer = train_tokenizer()
    model = QwenVla(qwen_vla_tiny(len(tokenizer), tokenizer.convert_tokens_to_ids(IMAGE)))
    space = action_space(WIDOWX, 1.0)
    known = {"widowx": embodiment_signature(WIDOWX) | {"action_space": space.model_dump()}}
    folder = tmp_path_factory.mktemp("pristine")
    save_pretrained(folder, model, tokenizer, known, {}, dtype=torch.float32)
    return folder


@pytest.fixture
def folder(pristine, tmp_path):
    """A copy that a test may spoil."""
    for path in pristine.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def observation(**over):
    start_D = np.array(WIDOWX.start_D)
    fields = {
        "stamp_s": 0.0,
        "images": {c.name: np.full((480, 640, 3), 99, np.uint8) for c in WIDOWX.cameras},
        "positions_D": start_D,
        "commanded_D": start_D,
        "instruction": "pick up the red block",
    }
    return Observation(**fields | over)


def edit_json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_when_saved_and_loaded_expect_the_same_weights_and_chunks(pristine, tmp_path):
    first, second = from_pretrained(pristine), from_pretrained(pristine)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name
    chunks = [QwenVlaPolicy.load(pristine, WIDOWX, seed=3).infer(observation()) for _ in "ab"]
    assert chunks[0].shape == (16, 7) and chunks[0].dtype == np.float32
    assert np.abs(chunks[0]).max() <= 1.0
    np.testing.assert_array_equal(*chunks)


def test_when_stored_in_bfloat16_expect_the_shipped_size(pristine, tmp_path):
    model = from_pretrained(pristine)
    save_pretrained(tmp_path, model, train_tokenizer(), {}, {})
    assert (tmp_path / "model.safetensors").stat().st_size < 40e6
    assert from_pretrained(tmp_path).expert.context_in.weight.dtype == torch.float32


def test_when_warmed_up_expect_a_real_chunk_with_and_without_a_prefix(pristine, monkeypatch):
    policy, chunks, infer = QwenVlaPolicy.load(pristine, WIDOWX), [], QwenVlaPolicy.infer
    monkeypatch.setattr(QwenVlaPolicy, "infer", lambda *told: chunks.append(infer(*told)))
    assert 0.0 < policy.warm_up() < 10.0
    assert len(chunks) == 3 and np.isfinite(chunks).all()  # the last one is timed
    assert infer(policy, observation()).shape == (16, 7)


def test_when_saved_in_shards_expect_the_same_chunks(pristine, tmp_path):
    whole = QwenVlaPolicy.load(pristine, WIDOWX)
    tokenizer = whole.processor.tokenizer
    model = whole.runtime.model
    save_pretrained(tmp_path, model, tokenizer, {}, {}, dtype=torch.float32, shard_size="5MB")
    assert len(list(tmp_path.glob("model-*-of-*.safetensors"))) > 2
    (tmp_path / "embodiments.json").write_bytes((pristine / "embodiments.json").read_bytes())
    sharded = QwenVlaPolicy.load(tmp_path, WIDOWX)
    np.testing.assert_array_equal(sharded.infer(observation()), whole.infer(observation()))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("horizon", 8),
        ("action_channels", ["base_x"]),
        ("action_q99", [1.0] * 7),
        ("state_q01", [0.0] * 7),
        ("cameras", []),
        ("prompt_words", {}),
    ],
)
def test_when_trained_on_another_robot_expect_refusal_before_any_weight(folder, key, value):
    (folder / "model.safetensors").unlink()
    edit_json(folder / "embodiments.json", lambda c: c["widowx"].update({key: value}))
    with pytest.raises(CheckpointError, match=key):
        QwenVlaPolicy.load(folder, WIDOWX)


DEPTH = "tag: ego_depth\n    depth_range_m: [0.2, 2]"


@pytest.mark.parametrize(
    ("robot_text", "key"),
    [
        (widowx_text().replace("horizon: 16", "horizon: 12"), "horizon"),
        (widowx_text().replace("tag: cam_left_wrist", "tag: cam_right_wrist"), "cameras"),
        (widowx_text().replace("tag: ego\n", "tag: ego\n    history_steps: [1]\n"), "cameras"),
        (widowx_text().replace("tag: ego\n", f"{DEPTH}\n"), "cameras"),
        (
            widowx_text().replace(
                "tag: cam_left_wrist", "optional: true\n    tag: cam_left_wrist"
            ),
            "cameras",
        ),
        (widowx_text("rot6d"), "conventions .* rot6d base"),
        (widowx_text(camera="over_shoulder"), "conventions .* euler ego"),
    ],
)
def test_when_the_robot_sees_or_acts_otherwise_than_trained_expect_refusal_before_any_weight(
    folder, robot_text, key
):
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=key):
        QwenVlaPolicy.load(folder, robot(robot_text))


@pytest.mark.parametrize(
    ("channels", "words"),
    [(80, "Euler angles have no slot"), (16, "canonical layout needs 80 channels")],
)
def test_when_channels_have_no_canonical_slot_expect_refusal_before_any_weight(
    folder, channels, words
):
    (folder / "model.safetensors").unlink()
    layout = {"channel_layout": "canonical", "channels": channels}
    edit_json(folder / "config.json", lambda c: c.update(layout))
    with pytest.raises(CheckpointError, match=words):
        QwenVlaPolicy.load(folder, WIDOWX)


@pytest.mark.parametrize(
    "space",
    [
        SPACE | {"relations": ["offset"] * 7},
        SPACE | {"q01": [[float("nan")] * 7] * 16},
        {"relations": SPACE["relations"], "q01": SPACE["q01"][:8], "q99": SPACE["q99"][:8]},
        None,
    ],
)
def test_when_the_action_space_does_not_fit_expect_refusal_before_any_weight(folder, space):
    (folder / "model.safetensors").unlink()
    edit_json(folder / "embodiments.json", lambda c: c["widowx"].update(action_space=space))
    with pytest.raises(CheckpointError, match="action|relations|space"):
        QwenVlaPolicy.load(folder, WIDOWX)


def test_when_the_embodiment_is_unknown_expect_the_known_ones_named(folder):
    (folder / "model.safetensors").unlink()
    stranger = WIDOWX.model_copy(update={"name": "stranger"})
    with pytest.raises(CheckpointError, match="not trained for stranger, only for widowx"):
        QwenVlaPolicy.load(folder, stranger)


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("horizon", 15, "horizon 16, but the model's is 15"),
        ("channels", 6, "7 channels, but the model has 6"),
    ],
)
def test_when_the_robot_does_not_fit_the_model_expect_refusal_before_any_weight(
    folder, key, value, named
):
    (folder / "model.safetensors").unlink()
    edit_json(folder / "config.json", lambda c: c.update({key: value, "prefix_steps": 0}))
    with pytest.raises(CheckpointError, match=named):
        QwenVlaPolicy.load(folder, WIDOWX)


def test_when_the_tokenizer_lacks_a_views_tag_expect_its_name_before_any_weight(folder):
    (folder / "model.safetensors").unlink()
    for path in (folder / "tokenizer.json", folder / "tokenizer_config.json"):
        path.write_text(path.read_text().replace("<|ego_start|>", "<|egg_start|>"))
    with pytest.raises(CheckpointError, match=r"no token <\|ego_start\|>"):
        QwenVlaPolicy.load(folder, WIDOWX)


def test_when_the_tokenizer_is_anothers_expect_refusal_before_any_weight(folder):
    (folder / "model.safetensors").unlink()
    edit_json(folder / "config.json", lambda c: c["backbone"].update(image_token_id=5))
    with pytest.raises(CheckpointError, match="image_token_id is 5"):
        QwenVlaPolicy.load(folder, WIDOWX)
    larger = train_tokenizer()
    larger.add_tokens(["<|one_more|>"])
    larger.save_pretrained(folder)
    edit_json(folder / "config.json", lambda c: c["backbone"].update(image_token_id=1))
    with pytest.raises(CheckpointError, match=r"highest token is (\d+), but the model has \1 emb"):
        QwenVlaPolicy.load(folder, WIDOWX)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda robots: robots.update(widowx=5),
        lambda robots: robots["widowx"].pop("action_space"),
        lambda robots: robots["widowx"]["action_space"].update(q01=[[float("nan")] * 7]),
        lambda robots: robots["widowx"]["action_space"].update(q01=[[0.0]], q99=[[1.0]]),
        lambda robots: robots["widowx"]["action_space"].update(q01=[[1.0] * 7] * 16),
    ],
)
def test_when_what_it_knows_of_a_robot_is_damaged_expect_refusal_before_any_weight(folder, spoil):
    (folder / "model.safetensors").unlink()
    edit_json(folder / "embodiments.json", spoil)
    with pytest.raises(CheckpointError, match="widowx|action space"):
        QwenVlaPolicy.load(folder, WIDOWX)


class Exploit:
    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"],
)
def test_when_a_file_is_a_pickle_expect_refusal_and_that_it_never_runs(folder, name, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / name).write_bytes(pickle.dumps(Exploit()))
    with pytest.raises(CheckpointError):
        QwenVlaPolicy.load(folder, WIDOWX)
    assert not (folder / "ran").exists()


@pytest.mark.parametrize(
    "name", ["model.safetensors", "config.json", "tokenizer.json", "embodiments.json"]
)
@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"{")])
def test_when_a_file_is_missing_or_cut_expect_an_error_with_its_folder(folder, name, spoil):
    spoil(folder / name)
    with pytest.raises(CheckpointError, match=str(folder)):
        QwenVlaPolicy.load(folder, WIDOWX)


def test_when_the_configuration_has_an_unknown_key_expect_it_named(folder):
    edit_json(folder / "config.json", lambda c: c.update(surprise=1))
    with pytest.raises(CheckpointError, match="surprise"):
        QwenVlaPolicy.load(folder, WIDOWX)


def test_when_a_camera_is_missing_expect_it_named(pristine):
    policy = QwenVlaPolicy.load(pristine, WIDOWX)
    with pytest.raises(ObservationError, match="wrist"):
        policy.infer(observation(images={"over_shoulder": np.zeros((96, 96, 3), np.uint8)}))


@pytest.mark.parametrize("instruction", ["", "x" * 100_000])
def test_when_the_instruction_is_empty_or_endless_expect_refusal(pristine, instruction):
    policy = QwenVlaPolicy.load(pristine, WIDOWX)
    with pytest.raises(InstructionError):
        policy.infer(observation(instruction=instruction))
