"""The least a phase can cost on a machine: its operations and the bytes it cannot avoid reading.

Weights are read once per phase, activations never, and what depends on the timestep alone (the
modulations) is known before the first observation. Real programs stay above; by how much is the
figure that says whether there is something left to gain.
"""

from dataclasses import asdict, dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ..model import QwenVla
from .machine import Rates
from .passes import POST, PRE, Shape, our_phases, random_inputs, random_model
from .timing import TOTAL

EULER = "Euler step"


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one phase has to do; a multiply-add is two operations."""

    operations: float
    weight_bytes: float

    def bound_ms(self, rates: Rates) -> float:
        """Shortest time on a machine with these rates."""
        return 1e3 * max(
            self.operations / (rates.matrix_tflop_s * 1e12),
            self.weight_bytes / (rates.bandwidth_gb_s * 1e9),
        )


def bounds(model: QwenVla, shape: Shape, rates: Rates) -> dict[str, dict]:
    """Work and lower bound of each of ``our_phases`` and of all of them."""
    weights = _weight_bytes(model)
    found = {}
    for name, operations in _operations(model, shape).items():
        read = weights[EULER if name.startswith(EULER) else name]
        work = Work(operations=operations, weight_bytes=read)
        found[name] = asdict(work) | {"bound_ms": work.bound_ms(rates)}
    total = {key: sum(bound[key] for bound in found.values()) for key in found["vision"]}
    return found | {TOTAL: total}


def _operations(model: QwenVla, shape: Shape) -> dict[str, int]:
    """Of the matrix products and attention of each phase.

    Counted without values, on a model without weights: no kernel of any machine can hide some.
    """
    meta = torch.device("meta")
    empty = random_model(model.config, meta, torch.bfloat16)
    counts, first = {}, f"{EULER} 1"
    for name, phase in our_phases(empty, random_inputs(model.config, shape, meta)).items():
        if name.startswith(EULER) and first in counts:
            counts[name] = counts[first]  # they differ in numbers only
        elif name not in (PRE, POST):
            with FlopCounterMode(display=False) as counter:
                phase()
            counts[name] = counter.get_total_flops()
    return counts


def _weight_bytes(model: QwenVla) -> dict[str, int]:
    """Bytes of the weights that each phase reads."""
    backbone, expert = model.backbone, model.expert
    blocks = [
        nbytes(p)
        for block in expert.blocks
        for name, p in block.named_parameters()
        if not name.startswith("modulation")
    ]
    context = _bytes(expert.context_in)
    if expert.context == "cached":
        last = expert.blocks[-1]  # only its keys are needed, see ActionExpert.prepare
        context += sum(blocks) - _bytes(last.out, last.gate_up, last.down)
    state = [] if expert.state_in is None else [expert.state_in]
    return {
        "vision": _bytes(backbone.visual) - _bytes(backbone.visual.pos_embed),
        "prefill": _bytes(backbone.language_model) - _bytes(backbone.language_model.embed_tokens),
        "expert context": context,
        EULER: sum(blocks) + _bytes(expert.action_in, expert.action_out, *state),
    }


def _bytes(*modules: nn.Module) -> int:
    return sum(nbytes(p) for module in modules for p in module.parameters())


def nbytes(tensor: torch.Tensor) -> int:
    """Bytes of a tensor as it is stored; a quantised one consists of several."""
    if hasattr(tensor, "__tensor_flatten__"):
        parts, _ = tensor.__tensor_flatten__()
        return sum(nbytes(getattr(tensor, part)) for part in parts)
    return tensor.numel() * tensor.element_size()
