"""The bench of the model, run on a network of a few thousand parameters."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from micro_qwen_vla import micro_config
from qwen_vla_core.resources import SHIPPED_CHECKPOINT
from qwen_vla_model.config import qwen_vla_5b
from qwen_vla_model.speed.bench import CONFIGS, PATHS, Bench, build, by_path, sensitivity
from qwen_vla_model.speed.bound import Work, bounds, nbytes
from qwen_vla_model.speed.machine import Rates
from qwen_vla_model.speed.passes import (
    Shape,
    our_phases,
    plain_phases,
    random_inputs,
    random_model,
)

CPU = torch.device("cpu")
SHAPE = Shape(views=2, size=32, text_tokens=9, padding=3)
RATES = Rates(bandwidth_gb_s=100.0, matrix_tflop_s=10.0)


@pytest.mark.parametrize("context", ["cached", "joint"])
@torch.inference_mode()
def test_when_both_paths_run_expect_the_same_chunk(context):
    """Otherwise their times could not be compared."""
    model = random_model(micro_config(context=context), CPU, torch.float32)
    inputs = random_inputs(model.config, SHAPE, CPU)
    chunks = []
    for make in (our_phases, plain_phases):
        torch.manual_seed(0)
        chunks.append([phase() for phase in make(model, inputs).values()][-1])
    ours, plain = map(torch.from_numpy, chunks)
    assert ours.abs().max() > 0.1
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def bench():
    """A bench of a network that is built in no time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qwen_vla_model.speed.machine.PROBE_S", 0.01)
        return Bench(micro_config(), CPU, "float32")


def test_when_the_tiny_size_is_measured_expect_the_network_that_is_shipped():
    model = random_model(CONFIGS["tiny"](), torch.device("meta"), torch.float32)
    shipped = load_file(SHIPPED_CHECKPOINT / "model.safetensors")
    assert {n: p.shape for n, p in model.named_parameters()} == {
        n: tensor.shape for n, tensor in shipped.items()
    }
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(5.59e6, abs=5e3)


def test_when_a_case_ran_expect_every_phase_with_its_bound_and_json(bench):
    plain, eager = (
        bench.run(case, 3)
        for case in by_path("tiny", bench.config, SHAPE, "cpu", ("plain", "eager"))
    )
    json.dumps([bench.describe(), plain, eager])
    phases = {"pre-processing", "vision", "prefill", "expert context", "Euler step 3", "total"}
    assert phases < set(eager["phases"]) and "Euler step 4" not in eager["phases"]
    assert len(eager["warm_up_ms"]) == 3 and eager["peak_mib"] > 0
    assert plain["phases"]["total"]["n"] == 3 and eager["tokens"] == 2 * 4 + 9
    for name in ("vision", "prefill", "expert context", "Euler step 1", "total"):
        assert all(eager["bound"][name][key] > 0 for key in ("operations", "weight_bytes"))
    total = eager["bound"].pop("total")["bound_ms"]
    assert total == pytest.approx(sum(bound["bound_ms"] for bound in eager["bound"].values()))


def test_when_choices_change_expect_each_measured_alone_and_the_model_as_it_was(bench):
    (base,) = by_path("tiny", bench.config, SHAPE, "cpu", ("eager",))
    before = bench.run(base, 1)
    some = ("1 view", "3 views", "10 Euler", "joint", "cached", "batch of 8", "float32", "int8")
    changed = {
        case.label: bench.run(case, 1)
        for case in sensitivity("tiny", base, "cpu")
        if case.label.startswith(some)
    }
    assert len(changed) == len(some)
    assert not [label for label, result in changed.items() if "failed" in result]
    assert changed["1 view"]["tokens"] == 4 + 9 and changed["3 views"]["tokens"] == 12 + 9
    assert "Euler step 10" in changed["10 Euler steps"]["phases"]
    assert changed["batch of 8"]["shape"]["batch"] == 8
    # joint runs the context in each step instead of once
    for phase, relation in (("expert context", float.__lt__), ("Euler step 1", float.__gt__)):
        joint, cached = (
            float(changed[f"{c} context"]["bound"][phase]["operations"])
            for c in ("joint", "cached")
        )
        assert relation(joint, cached)
    small, large = (
        changed[f"{weights} weights"]["bound"]["prefill"]["weight_bytes"]
        for weights in ("int8", "float32")
    )
    assert small < 0.5 * large
    assert bench.run(base, 1)["bound"] == before["bound"]


def test_when_a_case_cannot_run_expect_the_reason_and_the_next_case(bench, monkeypatch):
    def captured(phases):
        raise RuntimeError("out of memory")

    monkeypatch.setattr("qwen_vla_model.speed.bench.captured", captured)
    (case,) = by_path("tiny", bench.config, SHAPE, "cpu", ("graph",))
    assert "out of memory" in bench.run(case, 1)["failed"]
    eager = replace(case, path="eager")
    assert "float7" in bench.run(replace(eager, weights="float7"), 1)["failed"]
    assert "failed" not in bench.run(eager, 1)


def test_when_a_gpu_is_measured_expect_everything_that_the_table_has_to_show():
    base = by_path(
        "5b", qwen_vla_5b(), Shape(views=3, size=224, text_tokens=80), "cuda", ("graph",)
    )[0]
    labels = {case.label for case in sensitivity("5b", base, "cuda")}
    assert {"plain", "eager", "graph", "compiled", "compiled graph"} == set(PATHS["cuda"])
    assert {"1 view", "2 views", "3 views", "224 px", "256 px"} < labels
    assert {"4 Euler steps", "5 Euler steps", "10 Euler steps"} < labels
    assert {"joint context", "cached context", "bfloat16 weights"} < labels
    assert {"int8 weights", "float8 weights", "batch of 1", "batch of 8"} < labels


def test_when_the_size_is_no_whole_number_of_image_tokens_expect_it_named():
    with pytest.raises(ValueError, match="size 33 is no multiple of 16"):
        by_path("tiny", micro_config(), replace(SHAPE, size=33), "cpu", ("eager",))


@torch.inference_mode()
def test_when_the_full_size_is_bounded_expect_the_reference_figures():
    """shared arithmetic: 3.57 B weights of the language model, twice as many operations a token;
    0.906 B in an Euler step of the joint context, and those of the action MLPs."""
    model = random_model(qwen_vla_5b(), torch.device("meta"), torch.bfloat16)
    bound = bounds(model, Shape(views=3, size=224, text_tokens=80), RATES)
    tokens = 3 * 49 + 80
    assert bound["prefill"]["weight_bytes"] == pytest.approx(2 * 3.57e9, rel=0.001)
    assert bound["prefill"]["operations"] == pytest.approx(2 * 3.57e9 * tokens, rel=0.05)
    assert bound["vision"]["weight_bytes"] == pytest.approx(2 * 0.333e9, rel=0.02)
    assert bound["Euler step 1"]["weight_bytes"] == pytest.approx(2 * 0.911e9, rel=0.001)
    operations = 2 * 0.906e9 * (tokens + 16)
    assert bound["Euler step 1"]["operations"] == pytest.approx(operations, rel=0.05)


def test_when_bytes_or_operations_dominate_expect_the_larger_time():
    assert Work(operations=1e10, weight_bytes=0).bound_ms(RATES) == pytest.approx(1.0)
    assert Work(operations=1e10, weight_bytes=1e9).bound_ms(RATES) == pytest.approx(10.0)


def test_when_weights_are_quantised_expect_their_real_bytes():
    whole, small = (build(micro_config(), CPU, weights) for weights in ("bfloat16", "int8"))
    matrix = "backbone.language_model.layers.0.linear_attn.in_proj_qkv.weight"
    rows, columns = whole.get_parameter(matrix).shape
    assert nbytes(whole.get_parameter(matrix)) == 2 * rows * columns
    assert rows * columns <= nbytes(small.get_parameter(matrix)) < 1.4 * rows * columns
