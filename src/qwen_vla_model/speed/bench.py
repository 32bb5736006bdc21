"""The bench of the model: every path in one run, on one machine, beside its lower bound."""

import resource
from collections.abc import Callable
from dataclasses import asdict

import torch

from ..config import QwenVlaConfig, qwen_vla_5b, qwen_vla_tiny
from .bound import Work, count_operations, total_bytes, weight_bytes
from .machine import Rates, describe, rates
from .passes import Shape, Stages, our_stages, plain_stages, random_inputs, random_model
from .timing import TOTAL, measure, warm_up

CONFIGS: dict[str, Callable[[], QwenVlaConfig]] = {
    # The tokenizer of the shipped checkpoint has 1012 words, its image token is number 1.
    "tiny": lambda: qwen_vla_tiny(vocab_size=1012, image_token_id=1),
    "5b": qwen_vla_5b,
}

SHAPES = {
    # The cameras of the shipped WidowX checkpoint; its prompts have 25 to 50 words and tags.
    "tiny": Shape(views=2, size=96, text_tokens=40),
    # Three views, as an ALOHA has them.
    "5b": Shape(views=3, size=224, text_tokens=80),
}

WARM_UPS = 10
"""Passes before the first measured one, as reference figures have them; also reported."""


def bench_path(name: str, stages: Stages, device: torch.device, passes: int, on_pass) -> dict:
    """Warm one path up and measure it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    warm_up_ms = warm_up(stages, device, min(WARM_UPS, passes))
    timings = measure(stages, device, passes, on_pass)
    return {
        "path": name,
        "warm_up_ms": warm_up_ms,
        "stages": {stage: asdict(timing) for stage, timing in timings.items()},
        "peak_mib": peak_mib(device),
    }


def bounds(model, inputs, stages: Stages, rates: Rates) -> dict[str, dict]:
    """The lower bound of each stage and of all of them."""
    weights = weight_bytes(model)
    kinds = {"vision": "vision", "prefill": "prefill", "expert context": "context"}
    found = {}
    for name, stage in stages.items():
        kind = "step" if name.startswith("Euler") else kinds.get(name)
        work = Work(operations=count_operations(stage), weight_bytes=weights.get(kind, 0))
        found[name] = asdict(work) | {"bound_ms": work.bound_ms(rates)}
    total = {key: sum(bound[key] for bound in found.values()) for key in found["vision"]}
    return found | {TOTAL: total}


def peak_mib(device: torch.device) -> float:
    """Most memory that was in use: of the GPU, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def bench_model(
    config: QwenVlaConfig,
    shape: Shape,
    device: torch.device,
    passes: int,
    on_pass: Callable[[], object] = lambda: None,
) -> dict:
    """All paths of one configuration; everything JSON can hold."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    with torch.inference_mode():
        model = random_model(config, device, dtype)
        inputs = random_inputs(config, shape, device, dtype)
        ours = our_stages(model, inputs)
        size = total_bytes(model.parameters())
        machine = rates(device, dtype, size)
        bound = bounds(model, inputs, ours, machine)
        paths = [
            bench_path("eager", ours, device, passes, on_pass),
            bench_path("plain", plain_stages(model, inputs), device, passes, on_pass),
        ]
    return {
        "machine": describe(device) | asdict(machine),
        "shape": asdict(shape) | {"tokens": inputs.input_ids_PL.shape[1]},
        "model": {
            "parameters_m": sum(p.numel() for p in model.parameters()) / 1e6,
            "weight_mb": size / 1e6,
            "dtype": str(dtype).removeprefix("torch."),
            "context": config.expert.context,
            "euler_steps": config.euler_steps,
        },
        "bound": bound,
        "paths": paths,
    }
