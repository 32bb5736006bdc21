"""The bench of the model: every path in one run, on one machine, beside its lower bound."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

import torch

from ..checkpoint import load_config
from ..config import QwenVlaConfig, qwen_vla_5b
from ..hub import find_checkpoint
from ..model import QwenVla
from ..precision import compute_dtype, is_quantised, quantise, require_memory
from ..runtime import compiled, peak_mib
from .bound import bounds, nbytes
from .machine import describe, rates
from .passes import (
    Shape,
    captured,
    check_size,
    our_phases,
    plain_phases,
    random_inputs,
    random_model,
)
from .timing import measure, warm_up

CONFIGS: dict[str, Callable[[], QwenVlaConfig]] = {
    "tiny": lambda: load_config(find_checkpoint()),  # the shipped network
    "5b": qwen_vla_5b,
}

SHAPES = {
    # The cameras of the shipped WidowX checkpoint; its prompts have 25 to 50 words and tags.
    "tiny": Shape(views=2, size=96, text_tokens=40),
    # Three views, as an ALOHA has them, and a prompt with room for another instruction.
    "5b": Shape(views=3, size=224, text_tokens=96, padding=32),
}
SIZES = {"tiny": (72, 96, 120), "5b": (224, 256)}
VIEWS, STEPS, BATCHES = (1, 2, 3), (4, 5, 10), (1, 2, 4, 8)

PATHS = {
    "cpu": ("plain", "eager", "compiled"),
    "cuda": ("plain", "eager", "graph", "compiled", "compiled graph"),
}
BEST = {"cpu": "eager", "cuda": "graph"}
"""What a robot runs by default."""
WEIGHTS = {"cpu": ("float32", "bfloat16", "int8"), "cuda": ("bfloat16", "int8", "float8")}
DEFAULT_WEIGHTS = {("tiny", "cpu"): "float32"}
"""For a configuration on a device; bfloat16 otherwise."""

WARM_UPS = 10
"""Passes before the first measured one, as reference figures have them; also reported."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One thing to measure."""

    label: str
    path: str
    weights: str
    shape: Shape
    context: str
    steps: int


def by_path(
    name: str, config: QwenVlaConfig, shape: Shape, device: str, paths: Sequence[str]
) -> list[Case]:
    """One configuration on every path.

    Raises:
        ValueError: views of that size do not fit the model.
    """
    check_size(config, shape)
    return [
        Case(
            label=path,
            path=path,
            weights=DEFAULT_WEIGHTS.get((name, device), "bfloat16"),
            shape=shape,
            context=config.expert.context,
            steps=config.euler_steps,
        )
        for path in paths
    ]


def sensitivity(name: str, base: Case, device: str) -> list[Case]:
    """Each of the choices changed alone; the weights last, since they need another model."""
    base = replace(base, path=BEST[device])
    shape = base.shape

    def reshaped(label: str, **change) -> Case:
        return replace(base, label=label, shape=replace(shape, **change))

    return [
        *(reshaped(f"{n} view{'s' if n > 1 else ''}", views=n) for n in VIEWS),
        *(reshaped(f"{px} px", size=px) for px in SIZES[name]),
        *(replace(base, label=f"{n} Euler steps", steps=n) for n in STEPS),
        *(replace(base, label=f"{c} context", context=c) for c in ("joint", "cached")),
        *(reshaped(f"batch of {n}", batch=n) for n in BATCHES),
        *(replace(base, label=f"{w} weights", weights=w) for w in WEIGHTS[device]),
    ]


class Bench:
    """Measures cases of one configuration on one device; builds a model only where it must."""

    def __init__(self, config: QwenVlaConfig, device: torch.device, weights: str):
        """Build the model of the first cases.

        Raises:
            CheckpointError: there is not enough memory for it.
        """
        empty = random_model(config, torch.device("meta"), compute_dtype(weights))
        require_memory(empty, weights, device)
        self.config, self.device = config, device
        self._weights, self._model = weights, build(config, device, weights)
        size = sum(map(nbytes, self._model.parameters()))
        self.rates = rates(device, self._model.backbone.dtype, size)

    def describe(self) -> dict:
        """Machine and model, for the head of a report."""
        return {
            "machine": describe(self.device) | asdict(self.rates),
            "model": {
                "parameters_m": sum(p.numel() for p in self._model.parameters()) / 1e6,
                "weight_mb": sum(map(nbytes, self._model.parameters())) / 1e6,
                "weights": self._weights,
            },
        }

    def run(self, case: Case, passes: int, on_pass: Callable[[], object] = lambda: None) -> dict:
        """One case; where it cannot run, why not under ``failed``."""
        try:
            return asdict(case) | self._run(case, passes, on_pass)
        except Exception as error:  # no memory, no kernel, no compiler: the next case may do
            return asdict(case) | {"failed": f"{type(error).__name__}: {error}"[:500]}

    @torch.inference_mode()
    def _run(self, case: Case, passes: int, on_pass: Callable[[], object]) -> dict:
        if case.weights != self._weights:
            self._model, self._weights = None, ""  # make room for the next one first
            self._model = build(self.config, self.device, case.weights)
            self._weights = case.weights
        model = self._model
        model.expert.context = case.context
        expert = self.config.expert.model_copy(update={"context": case.context})
        model.config = self.config.model_copy(update={"euler_steps": case.steps, "expert": expert})
        inputs = random_inputs(model.config, case.shape, self.device)
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        began_s = time.perf_counter()
        with _path(model, inputs, case.path) as phases:
            warm_up_ms = warm_up(phases, self.device, min(WARM_UPS, passes))
            prepared_s = time.perf_counter() - began_s
            timings = measure(phases, self.device, passes, on_pass)
        return {
            "tokens": inputs.input_ids_PL.shape[1],
            "prepared_s": prepared_s,
            "warm_up_ms": warm_up_ms,
            "phases": {phase: asdict(timing) for phase, timing in timings.items()},
            "bound": bounds(model, case.shape, self.rates),
            "peak_mib": peak_mib(self.device),
        }


@contextmanager
def _path(model: QwenVla, inputs, path: str) -> Iterator[dict]:
    """The phases of a path, ready to run; afterwards the model is as it was."""
    if path == "plain":
        yield plain_phases(model, inputs)
    elif path == "eager":
        yield our_phases(model, inputs)
    elif path == "graph":
        yield captured(our_phases(model, inputs))
    else:
        with compiled(model):
            phases = our_phases(model, inputs)
            yield captured(phases) if path == "compiled graph" else phases


def build(config: QwenVlaConfig, device: torch.device, weights: str) -> QwenVla:
    """A model of random weights, held as ``weights`` says (``precision.py``; also float8)."""
    low = weights in ("int8", "float8")
    model = random_model(config, device, torch.bfloat16 if low else compute_dtype(weights))
    if low:
        for name, layer in list(model.named_modules()):
            if is_quantised(name, layer):
                _to_float8(layer) if weights == "float8" else quantise(layer, weights)
    return model


def _to_float8(layer: torch.nn.Linear) -> None:
    """Weights and, at run time, activations in float8, a scale for each row."""
    from torchao.quantization import (
        Float8DynamicActivationFloat8WeightConfig,
        PerRow,
        quantize_,
    )

    quantize_(layer, Float8DynamicActivationFloat8WeightConfig(granularity=PerRow()))
