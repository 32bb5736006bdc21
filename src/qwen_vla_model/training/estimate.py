"""What a training will take, before any weight is loaded: memory, operations, hours.

Memory of weights, gradients and moments follows from the sizes. That of the activations, and the
share of the device's arithmetic that a training reaches, are rules of thumb; a few real steps
(``Trainer.rehearse``) say more where the network fits.
"""

from dataclasses import dataclass

from torch import nn

from ..config import QwenVlaConfig
from ..model import QwenVla
from .optimizer import ADAPTER, is_matrix
from .recipe import Recipe

ACTIVATION_BYTES = 34
"""Kept for the backward pass of each token, channel and layer, in 16 bits (arXiv 2205.05198)."""
RECOMPUTED_BYTES = 2
"""The same where activations are computed again: the input of the layer."""
REACHED = 0.35
"""Share of a device's peak that trainings of this kind reach (arXiv 2204.02311: 0.21 to 0.46)."""
PEAK_FLOPS = {"cuda": 990e12, "cpu": 1e11}
"""16-bit operations a second of one H100; of a core or two with AVX-512."""


@dataclass(frozen=True, kw_only=True)
class Needs:
    """Of one process, in bytes and operations.

    Attributes:
        weights, gradients, moments, average, activations: bytes.
        flops: of one optimiser step. tokens: of the prompts of one step.
        learning, parameters: how many parameters learn, and how many there are.
    """

    weights: int
    gradients: int
    moments: int
    average: int
    activations: int
    flops: float
    tokens: int
    learning: int
    parameters: int

    @property
    def memory(self) -> int:
        """All bytes."""
        return self.weights + self.gradients + self.moments + self.average + self.activations


def needs(recipe: Recipe, model: QwenVla, tokens: int, processes: int = 1) -> Needs:
    """What a recipe needs on each of some processes that share the weights.

    Args:
        model: on the meta device, without adapters.
        tokens: of a prompt.
    """
    weights = gradients = moments = learning = total = 0
    wide = 4 if recipe.backbone_weights == "float32" else 2
    for name, parameter in model.named_parameters():
        count = parameter.numel()
        total += count
        weights += count * (wide if name.startswith("backbone.") else 4)
        learns, count = _learns(recipe, name, parameter)
        if not learns:
            continue
        learning += count
        gradients += 4 * count
        in_muon = recipe.optimizer == "muon" and is_matrix(name, parameter) and not recipe.adapters
        moments += count * (4 if in_muon else 8)
    average = 4 * learning if recipe.ema else 0
    own = -(-recipe.batches // processes)
    prompts = recipe.observations * recipe.instructions
    activations = _activation_bytes(recipe, model.config, prompts, tokens)
    return Needs(
        weights=weights // processes,
        gradients=gradients // processes,
        moments=moments // processes,
        average=average // processes,
        activations=activations,
        flops=own * _flops(recipe, model, prompts, tokens),
        tokens=own * prompts * tokens,
        learning=learning,
        parameters=total,
    )


def _learns(recipe: Recipe, name: str, parameter: nn.Parameter) -> tuple[bool, int]:
    """Whether something learns of a parameter, and how many numbers."""
    part = "expert"
    if name.startswith("backbone."):
        part = "vision" if name.startswith("backbone.visual.") else "language"
    if part in recipe.frozen:
        return False, 0
    if recipe.adapters and part != "expert":
        rank = recipe.adapters.rank
        in_layer = parameter.ndim == 2 and "embed" not in name
        return in_layer, rank * sum(parameter.shape) if in_layer else 0
    return True, parameter.numel()


def _activation_bytes(recipe: Recipe, config: QwenVlaConfig, prompts: int, tokens: int) -> int:
    """Of one batch: they are gone before the next one's pass."""
    each = RECOMPUTED_BYTES if recipe.recompute else ACTIVATION_BYTES
    backbone, expert = config.backbone_config(), config.expert
    text, vision = backbone.text_config, backbone.vision_config
    total = 0
    if not {"vision", "language"} <= set(recipe.frozen):
        total += each * prompts * tokens * text.num_hidden_layers * text.hidden_size
    if recipe.images and "vision" not in recipe.frozen:
        patches = tokens * vision.spatial_merge_size**2
        total += each * recipe.observations * patches * vision.depth * vision.hidden_size
    steps = recipe.full_sequence or config.horizon
    joint = tokens if expert.context == "joint" else 0
    sequence = prompts * recipe.draws * (steps + joint)
    wide = max(1.0, expert.mlp_hidden / (4 * expert.width))
    return total + round(each * sequence * expert.blocks * expert.width * wide)


def _flops(recipe: Recipe, model: QwenVla, prompts: int, tokens: int) -> float:
    """Of one batch: two for each weight and token forward, and twice that backward."""
    config = model.config
    vision_config = config.backbone_config().vision_config
    counts = {"vision": 0, "language": 0, "expert": 0}
    for name, parameter in model.named_parameters():
        if "embed_tokens" in name or ".modulation" in name or ADAPTER in name:
            continue
        part = "vision" if name.startswith("backbone.visual.") else "language"
        counts["expert" if name.startswith("expert.") else part] += parameter.numel()
    steps = recipe.full_sequence or config.horizon
    joint = tokens if config.expert.context == "joint" else 0
    patches = recipe.observations * tokens * vision_config.spatial_merge_size**2
    through = {
        "vision": patches if recipe.images else 0,
        "language": prompts * tokens,
        "expert": prompts * recipe.draws * (steps + joint),
    }
    backbone_learns = not {"vision", "language"} <= set(recipe.frozen)
    total = 0.0
    for part, count in counts.items():
        learns = part == "expert" or backbone_learns
        passes = (4 if recipe.recompute else 3) if learns else 1
        total += 2.0 * count * through[part] * passes
    return total


def in_words(found: Needs, recipe: Recipe, device: str, processes: int = 1) -> list[str]:
    """For a person."""
    step_s = found.flops / (REACHED * PEAK_FLOPS[device])
    hours = recipe.max_steps * step_s / 3600
    if recipe.max_minutes:
        hours = min(hours, recipe.max_minutes / 60)
    each = f" on each of {processes} processes" if processes > 1 else ""
    kept = f", average {_gb(found.average)}" if found.average else ""
    what = "one H100" if device == "cuda" else "a CPU core or two"
    return [
        f"parameters   {found.parameters / 1e6:,.1f} million, "
        f"{found.learning / 1e6:,.1f} million learn",
        f"memory       about {_gb(found.memory)}{each}: weights {_gb(found.weights)}, "
        f"gradients {_gb(found.gradients)}, moments {_gb(found.moments)}{kept}, activations about "
        f"{_gb(found.activations)}",
        f"a step       {found.flops / 1e12:.3g} TFLOP{each}; at {REACHED:.0%} of the peak of "
        f"{what} {step_s:.2g} s",
        f"speed        about {processes * found.tokens / step_s:,.0f} prompt tokens a second",
        f"all of it    at most {recipe.max_steps} steps, about {hours:.2g} hours",
    ]


def _gb(count: int) -> str:
    return f"{count / 1e9:.3g} GB"
