"""Files of weights: whole, in shards, hostile. What is wrong is named and nothing is executed."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from micro_qwen_vla import micro_config, micro_model
from qwen_vla_core.errors import CheckpointError
from qwen_vla_model.checkpoint import build_empty
from qwen_vla_model.weights import INDEX, SINGLE, load_weights, save_weights

SHARD_BYTES = 100_000
"""The micro model's 400 kB make several of these."""


@pytest.fixture(scope="module")
def model():
    return micro_model()


@pytest.fixture
def single(model, tmp_path):
    save_weights(tmp_path, model, torch.float32)
    return tmp_path


@pytest.fixture
def shards(model, tmp_path):
    save_weights(tmp_path, model, torch.float32, SHARD_BYTES)
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    return tmp_path


def load(folder):
    empty = build_empty(micro_config(), folder)
    load_weights(empty, folder)
    return empty


def refusal(folder) -> str:
    with pytest.raises(CheckpointError) as error:
        load(folder)
    assert str(folder) in str(error.value)
    return str(error.value)


def edit(file: Path, **changes) -> None:
    """Replace tensors of a file; None removes one."""
    tensors = load_file(file)
    for name, tensor in changes.items():
        name = name.replace("__", ".")
        del tensors[name]
        if tensor is not None:
            tensors[name] = tensor
    save_file(tensors, file)


def edit_index(folder, change) -> None:
    index = json.loads((folder / INDEX).read_text())
    change(index)
    (folder / INDEX).write_text(json.dumps(index))


@pytest.mark.parametrize("kind", ["single", "shards"])
def test_when_saved_and_loaded_expect_the_same_weights_and_nothing_left_empty(
    kind, model, request
):
    loaded = load(request.getfixturevalue(kind))
    tensors = loaded.state_dict()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensors[name], tensor), name
    for (name, ours), theirs in zip(loaded.named_buffers(), model.buffers(), strict=True):
        assert torch.equal(ours, theirs), name  # not stored: made anew


def test_when_saved_again_in_another_number_of_files_expect_no_file_of_before(shards, model):
    save_weights(shards, model, torch.float32)
    assert [path.name for path in shards.iterdir()] == [SINGLE]
    load(shards)


def test_when_the_file_is_overwritten_after_loading_expect_the_weights_unchanged(single, model):
    loaded = load(single)
    file = single / SINGLE
    file.write_bytes(b"\xff" * file.stat().st_size)
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_when_tensors_are_missing_extra_misshapen_or_whole_numbers_expect_each_named(single):
    edit(
        single / SINGLE,
        expert__context_in__bias=None,
        expert__time_in__0__bias=torch.zeros(3),
        expert__time_in__2__bias=torch.zeros(32, dtype=torch.int64),
    )
    tensors = load_file(single / SINGLE) | {"expert.surplus": torch.zeros(1)}
    save_file(tensors, single / SINGLE)
    told = refusal(single)
    assert "missing expert.context_in.bias" in told
    assert "unexpected expert.surplus" in told
    assert "expert.time_in.0.bias is (3,), not (32,)" in told
    assert "expert.time_in.2.bias is of type I64" in told


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_when_a_weight_is_not_finite_expect_its_name(single, bad):
    edit(single / SINGLE, expert__time_in__2__bias=torch.full((32,), bad))
    assert "expert.time_in.2.bias is NaN or infinite" in refusal(single)


def test_when_a_weight_exceeds_half_precision_expect_its_name(single):
    edit(single / SINGLE, expert__time_in__2__bias=torch.full((32,), 1e6))
    with pytest.raises(
        CheckpointError, match="time_in.2.bias is NaN or infinite as torch.float16"
    ):
        load_weights(build_empty(micro_config(), single), single, weights="float16")


class Exploit:
    """What a pickle does when it is read."""

    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


@pytest.mark.parametrize("where", ["single", "shard", "index", "beside"])
def test_when_a_pickle_stands_in_for_weights_expect_that_it_never_runs(
    where, request, monkeypatch
):
    folder = request.getfixturevalue("shards" if where in ("shard", "index") else "single")
    monkeypatch.chdir(folder)
    poison = pickle.dumps(Exploit())
    if where == "beside":  # and nothing else that could be read
        (folder / SINGLE).unlink()
        (folder / "pytorch_model.bin").write_bytes(poison)
    else:
        name = {"single": SINGLE, "index": INDEX, "shard": "model-00002-of-*.safetensors"}[where]
        next(folder.glob(name)).write_bytes(poison)
    refusal(folder)
    assert not Path("ran").exists()


def test_when_an_index_names_a_pickle_expect_that_it_is_not_opened(shards):
    edit_index(shards, lambda index: index["weight_map"].update({"x": "pytorch_model.bin"}))
    assert "pytorch_model.bin" in refusal(shards)


@pytest.mark.parametrize("name", ["../outside.safetensors", "/outside.safetensors", 7, None])
def test_when_an_index_points_outside_its_folder_expect_refusal(shards, name):
    edit_index(shards, lambda index: index["weight_map"].update({"expert.out": name}))
    assert repr(name) in refusal(shards)


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b"{}", b'{"weight_map": []}', b"\xff", b"[" * 10**5]
)
def test_when_an_index_is_damaged_expect_its_name(shards, content):
    (shards / INDEX).write_bytes(content)
    assert INDEX in refusal(shards)


def test_when_a_shard_is_missing_or_cut_expect_its_name(shards):
    shard = next(shards.glob("model-00002-of-*.safetensors"))
    content = shard.read_bytes()
    shard.write_bytes(content[:-4])
    assert shard.name in refusal(shards)
    shard.write_bytes(content[:4])
    assert shard.name in refusal(shards)
    shard.unlink()
    assert shard.name in refusal(shards)


def test_when_a_header_claims_more_than_the_file_holds_expect_refusal(single):
    header = json.dumps(
        {"w": {"dtype": "F32", "shape": [10**15], "data_offsets": [0, 4 * 10**15]}}
    )
    (single / SINGLE).write_bytes(len(header).to_bytes(8, "little") + header.encode())
    refusal(single)


def test_when_two_shards_hold_one_tensor_expect_both_named(shards):
    first, second, *_ = sorted(shards.glob("*.safetensors"))
    name, tensor = next(iter(load_file(first).items()))
    save_file(load_file(second) | {name: tensor + 1}, second)
    told = refusal(shards)
    assert name in told and first.name in told and second.name in told


def test_when_whole_and_shards_lie_together_expect_neither_to_be_guessed(shards, model):
    save_file(model.state_dict(), shards / SINGLE)
    assert "holds both" in refusal(shards)
