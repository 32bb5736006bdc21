"""Whether the backbone's gated delta-net layers have their GPU kernels.

transformers takes them from two libraries and, where one is missing or broken, silently runs a
reference implementation that is several times slower.
"""

import importlib

import torch

KERNELS = {
    "flash-linear-attention": ("fla.ops.gated_delta_rule", "chunk_gated_delta_rule"),
    "causal-conv1d": ("causal_conv1d", "causal_conv1d_fn"),
}
"""Library -> module and function, as ``modeling_qwen3_5`` of transformers asks for them."""


def slow_delta_net_reason(device: torch.device) -> str:
    """What to install so that a GPU is not slowed down; empty where nothing is missing."""
    missing = [] if device.type != "cuda" else [name for name in KERNELS if not _works(name)]
    if not missing:
        return ""
    return (
        f"the model runs several times slower than this GPU could: {' and '.join(missing)} "
        f"cannot be imported; pip install {' '.join(missing)}"
    )


def _works(library: str) -> bool:
    module, function = KERNELS[library]
    try:
        return callable(getattr(importlib.import_module(module), function))
    except Exception:  # whatever is wrong with it, transformers falls back as well
        return False
