"""The bench of the model, run on a network of a few thousand parameters."""

import dataclasses
import json

import pytest
import torch

from micro_qwen_vla import micro_config
from qwen_vla_model.speed.bench import bench_model
from qwen_vla_model.speed.bound import Work, weight_bytes
from qwen_vla_model.speed.machine import Rates
from qwen_vla_model.speed.passes import (
    Shape,
    our_stages,
    plain_stages,
    random_inputs,
    random_model,
)

CPU = torch.device("cpu")
SHAPE = Shape(views=2, size=32, text_tokens=9)


@pytest.mark.parametrize("context", ["cached", "joint"])
@torch.inference_mode()
def test_when_both_paths_run_expect_the_same_chunk(context, monkeypatch):
    """Otherwise their times could not be compared."""
    model = random_model(micro_config(context=context), CPU, torch.float32)
    inputs = random_inputs(model.config, SHAPE, CPU, torch.float32)
    chunks = []
    for make in (our_stages, plain_stages):
        torch.manual_seed(0)
        stages = make(model, inputs)
        chunks.append([stage() for stage in stages.values()][-1])
    ours, plain = map(torch.from_numpy, chunks)
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)


def test_when_the_bench_ran_expect_every_stage_with_its_bound_and_json():
    result = bench_model(micro_config(), SHAPE, CPU, passes=3)
    json.dumps(result)
    eager, plain = result["paths"]
    stages = {"vision", "prefill", "expert context", "Euler step 3", "post-processing", "total"}
    assert stages < set(eager["stages"]) and "Euler step 4" not in eager["stages"]
    assert len(eager["warm_up_ms"]) == 3 and eager["peak_mib"] > 0
    assert plain["stages"]["total"]["n"] == 3
    for name in ("vision", "prefill", "expert context", "Euler step 1", "total"):
        bound = result["bound"][name]
        assert bound["operations"] > 0 and bound["weight_bytes"] > 0 and bound["bound_ms"] > 0
    assert result["shape"]["tokens"] == 2 * 4 + 9


def test_when_the_size_is_no_whole_number_of_image_tokens_expect_it_named():
    with pytest.raises(ValueError, match="size 33 is no multiple of 16"):
        random_inputs(micro_config(), dataclasses.replace(SHAPE, size=33), CPU, torch.float32)


def test_when_the_context_is_joint_expect_its_blocks_to_count_in_the_steps_only():
    cached, joint = (
        weight_bytes(random_model(micro_config(context=c), CPU, torch.float32))
        for c in ("cached", "joint")
    )
    assert joint["step"] == cached["step"] and joint["vision"] == cached["vision"]
    assert joint["context"] == 4 * (32 * 32 + 32) < cached["context"]


def test_when_bytes_or_operations_dominate_expect_the_larger_time():
    rates = Rates(bandwidth_gb_s=100.0, matrix_tflop_s=10.0)
    assert Work(operations=1e10, weight_bytes=0).bound_ms(rates) == pytest.approx(1.0)
    assert Work(operations=1e10, weight_bytes=1e9).bound_ms(rates) == pytest.approx(10.0)
