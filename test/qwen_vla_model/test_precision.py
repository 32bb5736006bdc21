"""What weights are held as: the memory is known before it is taken, the error stays small."""

from pathlib import Path

import numpy as np
import pytest
import torch

from micro_qwen_vla import micro_config, micro_inputs, micro_model
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import CheckpointError
from qwen_vla_core.execution import Prefix
from qwen_vla_core.resources import SHIPPED_CHECKPOINT, embodiments_directory
from qwen_vla_core.types import Observation
from qwen_vla_model import precision
from qwen_vla_model.checkpoint import build_empty, from_pretrained
from qwen_vla_model.config import qwen_vla_5b
from qwen_vla_model.model import QwenVla
from qwen_vla_model.policy import QwenVlaPolicy
from qwen_vla_model.precision import (
    WEIGHTS,
    default_weights,
    free_bytes,
    require_memory,
    weight_bytes,
)
from qwen_vla_model.runtime import Runtime
from qwen_vla_model.weights import load_weights, save_weights
from qwen_vla_ros.launching.arguments import ARGUMENTS, read

CPU = torch.device("cpu")
SMALLER = [weights for weights in WEIGHTS if weights != "float32"]

# Root mean square error of a chunk, relative to the chunk's own (an unrelated one is at 1.4).
# Measured on the shipped model: 0.018, 0.003, 0.022, 0.12. The micro model has random weights of
# a size that amplifies what goes through it.
SHIPPED_BOUND = {"bfloat16": 0.05, "float16": 0.01, "int8": 0.06, "nf4": 0.25}
MICRO_BOUND = {"bfloat16": 0.1, "float16": 0.02, "int8": 0.2, "nf4": 0.8}


@pytest.fixture(scope="module")
def micro(tmp_path_factory):
    folder = tmp_path_factory.mktemp("micro")
    save_weights(folder, micro_model(), torch.float32)
    return folder


def load_micro(folder, weights) -> QwenVla:
    model = build_empty(micro_config(), folder)
    load_weights(model, folder, CPU, weights)
    return model


def bytes_of(tensor: torch.Tensor) -> int:
    """What a tensor occupies, whatever it is packed into."""
    if hasattr(tensor, "__tensor_flatten__"):
        return sum(bytes_of(getattr(tensor, name)) for name in tensor.__tensor_flatten__()[0])
    return tensor.untyped_storage().nbytes()


def relative_error(found: np.ndarray, exact: np.ndarray) -> float:
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


@pytest.mark.parametrize(
    ("device", "weights"), [("cpu", "float32"), ("cuda", "bfloat16"), ("cuda:1", "bfloat16")]
)
def test_when_nothing_is_said_expect_what_suits_the_device(device, weights):
    assert default_weights(device) == weights


@pytest.mark.parametrize("weights", WEIGHTS)
def test_when_weights_are_loaded_expect_the_memory_that_was_announced(micro, weights):
    model = load_micro(micro, weights)
    taken = sum(bytes_of(p) for p in model.parameters())
    announced = weight_bytes(build_empty(micro_config(), micro), weights)
    assert taken == pytest.approx(announced, rel=1e-3)


@pytest.mark.parametrize("weights", SMALLER)
def test_when_the_micro_model_is_held_smaller_expect_nearly_the_same_chunk(micro, weights):
    chunks = [
        Runtime(load_micro(micro, w)).chunk(micro_inputs()).numpy() for w in ("float32", weights)
    ]
    assert 0.0 < relative_error(chunks[1], chunks[0]) < MICRO_BOUND[weights]


@pytest.fixture(scope="module")
def widowx():
    return load_embodiment(embodiments_directory() / "widowx.yaml")


def seen_by(robot, seed: int) -> Observation:
    rng = np.random.default_rng(seed)
    start_D = np.array(robot.start_D)
    return Observation(
        stamp_s=0.0,
        images={c.name: rng.integers(0, 255, (120, 160, 3), np.uint8) for c in robot.cameras},
        positions_D=start_D,
        commanded_D=start_D,
        instruction="pick up the red block",
    )


@pytest.mark.parametrize("weights", SMALLER)
def test_when_the_shipped_model_is_held_smaller_expect_nearly_the_same_chunks(widowx, weights):
    """Three free chunks, and one that guidance differentiates for."""
    prefix = Prefix(actions_NC=np.full((12, 7), 0.1, np.float32), committed=10)
    told = [(seed, None) for seed in range(3)] + [(3, prefix)]
    chunks = []
    for w in ("float32", weights):
        policy = QwenVlaPolicy.load(SHIPPED_CHECKPOINT, widowx, weights=w)
        assert policy.runtime.model.config.prefix_steps < prefix.committed  # so it is guided
        chunks.append(np.stack([policy.infer(seen_by(widowx, s), p) for s, p in told]))
    for found, exact in zip(chunks[1], chunks[0], strict=True):
        assert 0.0 < relative_error(found, exact) < SHIPPED_BOUND[weights]


def test_when_weights_are_quantised_expect_the_ends_of_the_expert_in_bfloat16(micro):
    model = load_micro(micro, "nf4")
    assert type(model.expert.blocks[0].qkv.weight.data) is not torch.Tensor
    for layer in (model.expert.action_in[0], model.expert.action_out[2], model.expert.time_in[0]):
        assert type(layer.weight.data) is torch.Tensor and layer.weight.dtype == torch.bfloat16


@pytest.mark.parametrize("weights", ["int8", "nf4"])
def test_when_quantised_weights_are_saved_expect_refusal_and_no_file(micro, tmp_path, weights):
    with pytest.raises(CheckpointError, match="is quantised"):
        save_weights(tmp_path, load_micro(micro, weights), torch.bfloat16)
    assert not list(tmp_path.iterdir())


def test_when_the_full_size_is_weighed_expect_gigabytes_without_any_being_taken(capfd):
    with torch.device("meta"):
        model = QwenVla(qwen_vla_5b())
    size = {weights: weight_bytes(model, weights) / 1e9 for weights in WEIGHTS}
    assert size["float32"] == pytest.approx(22.75, abs=0.01)
    assert size["bfloat16"] == size["float16"] == pytest.approx(11.38, abs=0.01)
    assert size["int8"] == pytest.approx(6.4, abs=0.1)
    assert size["nf4"] == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize(
    ("free", "printed"),
    [(int(120e9), "weights as bfloat16 need 13.92 GB on cpu, 120.00 GB are free\n"), (200e9, "")],
)
def test_when_memory_suffices_expect_need_and_supply_printed_only_where_it_is_a_large_part(
    monkeypatch, capfd, free, printed
):
    with torch.device("meta"):
        model = QwenVla(qwen_vla_5b())
    monkeypatch.setattr(precision, "free_bytes", lambda device: free)
    require_memory(model, "bfloat16", CPU)
    assert capfd.readouterr().err == printed


def test_when_memory_is_short_expect_how_much_and_what_would_fit(monkeypatch, capfd):
    with torch.device("meta"):
        model = QwenVla(qwen_vla_5b())
    monkeypatch.setattr(precision, "free_bytes", lambda device: int(12e9))
    told = r"need 25.30 GB on cpu, 12.00 GB are free: 13.30 GB are missing; int8 takes 8.9. GB"
    with pytest.raises(CheckpointError, match=told):
        require_memory(model, "float32", CPU)
    assert "need 25.30 GB" in capfd.readouterr().err  # said first, whatever comes of it
    monkeypatch.setattr(precision, "free_bytes", lambda device: int(1e9))
    with pytest.raises(CheckpointError, match="nothing smaller fits"):
        require_memory(model, "nf4", CPU)


def test_when_memory_is_short_expect_refusal_before_any_weight_is_read(tmp_path, monkeypatch):
    for name in ("config.json", "embodiments.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((SHIPPED_CHECKPOINT / name).read_bytes())
    monkeypatch.setattr(precision, "free_bytes", lambda device: 1000)
    with pytest.raises(CheckpointError, match="are missing"):
        from_pretrained(tmp_path)  # there are none


@pytest.mark.parametrize("device", ["mps", "meta"])
def test_when_there_is_no_such_device_expect_its_name(device):
    with pytest.raises(CheckpointError, match=device):
        from_pretrained(SHIPPED_CHECKPOINT, device)


def test_when_there_is_no_gpu_expect_that_to_be_said(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(CheckpointError, match="device cuda"):
        from_pretrained(SHIPPED_CHECKPOINT, "cuda")


def test_when_free_memory_is_read_expect_what_the_machine_reports():
    meminfo = Path("/proc/meminfo").read_text()
    total = int(meminfo.split("MemTotal:")[1].split()[0]) * 1024
    assert 0 < free_bytes(CPU) < total


def test_when_an_unknown_type_is_requested_expect_the_known_ones():
    with pytest.raises(CheckpointError, match="weights 'int3': choose one of float32, bfloat16"):
        from_pretrained(SHIPPED_CHECKPOINT, weights="int3")


def test_when_an_unknown_device_is_requested_expect_the_known_ones():
    with pytest.raises(CheckpointError, match="device 'gpu': choose cpu or cuda"):
        from_pretrained(SHIPPED_CHECKPOINT, "gpu")


@pytest.mark.parametrize("weights", WEIGHTS)
def test_when_weights_are_named_behind_ros2_launch_expect_them_allowed(weights):
    defaults = {name: argument.default for name, argument in ARGUMENTS.items()}
    asked = defaults | {"embodiment": "widowx", "weights": weights}
    assert read(asked)["weights"] == weights
