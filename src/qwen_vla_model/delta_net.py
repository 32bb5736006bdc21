"""Which implementation the backbone's gated delta-net layers really run.

transformers takes the delta rule's kernel from flash-linear-attention when it is imported, and
where that is missing or broken silently runs a reference implementation that is several times
slower. The short convolution before it falls back to PyTorch's own, which costs little.
"""

import inspect
from importlib import import_module

import torch

RULE = "torch_chunk_gated_delta_rule"
"""What ``modeling_qwen3_5`` of transformers calls; a wrapper of what was found."""


def resolved() -> str:
    """The function that computes the delta rule: module and name."""
    from transformers.models.qwen3_5 import modeling_qwen3_5

    function = getattr(modeling_qwen3_5, RULE)
    while inspect.isfunction(function):  # wrappers in wrappers
        held = inspect.getclosurevars(function).nonlocals
        inner = held.get("implementation")
        if inner is None or inner is function:
            break
        function = inner
    return f"{function.__module__}.{function.__qualname__}"


def slow_delta_net_reason(device: torch.device) -> str:
    """What to install so that a GPU is not slowed down; empty where nothing is missing."""
    if device.type != "cuda" or not resolved().startswith("transformers."):
        return ""
    try:
        import_module("fla.ops.gated_delta_rule")
        why = "cannot be used by this version of transformers"
    except Exception as error:  # whatever is wrong with it, transformers falls back as well
        why = f"cannot be imported ({error})"
    return (
        f"the model runs several times slower than this GPU could: flash-linear-attention {why}; "
        "pip install flash-linear-attention"
    )
