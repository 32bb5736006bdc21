"""The least a stage can cost on a machine: its operations and the bytes it cannot avoid reading.

Weights are read once per stage, activations never, and what depends on the timestep alone (the
modulations) is known before the first observation. Real programs stay above; by how much is the
figure that says whether there is something left to gain.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ..model import QwenVla
from .machine import Rates


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one stage has to do; a multiply-add is two operations."""

    operations: float
    weight_bytes: float

    def bound_ms(self, rates: Rates) -> float:
        """Shortest time on a machine with these rates."""
        return 1e3 * max(
            self.operations / (rates.matrix_tflop_s * 1e12),
            self.weight_bytes / (rates.bandwidth_gb_s * 1e9),
        )


def count_operations(stage: Callable[[], object]) -> int:
    """Operations of the matrix products, convolutions and attention in one call."""
    with FlopCounterMode(display=False) as counter:
        stage()
    return counter.get_total_flops()


def weight_bytes(model: QwenVla) -> dict[str, int]:
    """Bytes of the weights that each stage reads, by the stage's name; ``step`` is one of them."""
    backbone, expert = model.backbone, model.expert
    blocks = [
        nbytes(p)
        for block in expert.blocks
        for name, p in block.named_parameters()
        if not name.startswith("modulation")
    ]
    context = sum(map(nbytes, expert.context_in.parameters()))
    if expert.context == "cached":
        last = expert.blocks[-1]  # only its keys are needed, see ActionExpert.prepare
        context += sum(blocks) - _bytes(last.out, last.gate_up, last.down)
    state = [] if expert.state_in is None else [expert.state_in]
    return {
        "vision": _bytes(backbone.visual) - _bytes(backbone.visual.pos_embed),
        "prefill": _bytes(backbone.language_model) - _bytes(backbone.language_model.embed_tokens),
        "context": context,
        "step": sum(blocks) + _bytes(expert.action_in, expert.action_out, *state),
    }


def _bytes(*modules: nn.Module) -> int:
    return sum(nbytes(p) for module in modules for p in module.parameters())


def nbytes(parameter: nn.Parameter) -> int:
    """Bytes of a parameter as it is stored."""
    return parameter.numel() * parameter.element_size()


def total_bytes(parameters: Iterable[nn.Parameter]) -> int:
    """Bytes of all of them."""
    return sum(map(nbytes, parameters))
