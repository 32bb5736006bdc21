"""Low-rank adapters (LoRA, arXiv 2106.09685), by the library peft.

A linear layer keeps its weights, and beside them two small matrices learn, whose product is added.
Gradients and the optimiser's moments are then those of the small ones alone. What a policy loads
is the sum, an ordinary checkpoint.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn

from qwen_vla_core.errors import QwenVlaError

NAME = "default"
"""What peft calls the one adapter that a layer has here."""
PARTS = {"vision": "visual.", "language": "language_model."}
"""Where the parts of a recipe are in a backbone."""


def add_adapters(backbone: nn.Module, frozen: Sequence[str], rank: int) -> None:
    """Put an adapter beside every linear layer of the parts that are not frozen.

    They start as 0: the network computes what it did.

    Raises:
        QwenVlaError: peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise QwenVlaError(
            f"adapters: these need peft ({error}); pip install -r requirements-adapters.txt, or "
            "freeze the backbone: frozen: [vision, language]"
        ) from error
    starts = tuple(start for part, start in PARTS.items() if part not in frozen)
    layers = [
        name
        for name, module in backbone.named_modules()
        if isinstance(module, nn.Linear) and name.startswith(starts)
    ]
    # alpha / rank scales what they add; 2 is what is usual.
    inject_adapter_in_model(
        LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=layers), backbone
    )


@contextmanager
def merged(model: nn.Module) -> Iterator[None]:
    """Within the block the model has plain layers with the sums as weights, under their names.

    The weights are put back as they were, bit for bit: subtracting would leave rounding.
    """
    adapted = {name: m for name, m in model.named_modules() if hasattr(m, "get_delta_weight")}
    before = {name: layer.base_layer.weight.data for name, layer in adapted.items()}
    try:
        for name, layer in adapted.items():
            layer.base_layer.weight.data = before[name] + layer.get_delta_weight(NAME)
            _put(model, name, layer.base_layer)
        yield
    finally:
        for name, layer in adapted.items():
            layer.base_layer.weight.data = before[name]
            _put(model, name, layer)


def _put(model: nn.Module, name: str, layer: nn.Module) -> None:
    owner, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(owner), leaf, layer)
