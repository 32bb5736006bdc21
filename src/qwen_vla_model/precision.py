"""The data type of the weights, and the memory that takes; quantised by torchao.

``int8`` (one scale per row) and ``nf4`` (four bits, a scale per 64 weights) hold the matrices of
the backbone and of the expert's blocks, and compute in bfloat16. The embeddings, and the small
layers where actions and time enter and leave the expert, are bfloat16. Both can be differentiated
through, which guidance needs; torchao's int4 kernels cannot. nf4 unpacks a matrix each time it is
used: it is there for what does not fit otherwise, and is the slowest.
"""

import ctypes
import sys
from multiprocessing import parent_process
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import nn

from qwen_vla_core.errors import CheckpointError

Weights = Literal["float32", "bfloat16", "float16", "int8", "nf4"]
WEIGHTS: tuple[Weights, ...] = get_args(Weights)

QUANTISED_PARTS = ("backbone.", "expert.blocks.")
SCALE_BLOCK, FACTOR_BLOCK = 64, 32
"""nf4: weights that share a scale of one byte, scales that share a factor of two."""
NF4_TABLE_BYTES = 34
"""Each nf4 matrix brings its table of 16 values and the scales' mean."""

WORKING_BYTES = 4
"""Beside the weights, per weight of the largest tensor: what loading and quantising take for a
while (3.1 were measured), and the activations after that."""

LARGE_PART = 0.1
"""Share of the free memory from which on what the weights need is printed."""


def compute_dtype(weights: Weights) -> torch.dtype:
    """The type of what is not quantised, and of the activations."""
    return torch.bfloat16 if weights in ("int8", "nf4") else getattr(torch, weights)


def default_weights(device: str) -> Weights:
    """What a device computes with well: a GPU's matrix units want 16 bits, a CPU here does not."""
    return "bfloat16" if device.startswith("cuda") else "float32"


def is_quantised(name: str, layer: nn.Module) -> bool:
    """Whether ``int8`` and ``nf4`` quantise this layer of a ``QwenVla``, by its full name."""
    return (
        isinstance(layer, nn.Linear)
        and name.startswith(QUANTISED_PARTS)
        and layer.weight.numel() % (SCALE_BLOCK * FACTOR_BLOCK) == 0
    )


def quantise(layer: nn.Linear, weights: Literal["int8", "nf4"]) -> None:
    """Replace the layer's bfloat16 matrix by a quantised one, on the device where it is."""
    from torchao.quantization import Int8WeightOnlyConfig, quantize_, to_nf4

    if weights == "int8":
        quantize_(layer, Int8WeightOnlyConfig(set_inductor_config=False))
    else:
        packed = to_nf4(layer.weight.detach(), SCALE_BLOCK, FACTOR_BLOCK)
        layer.weight = nn.Parameter(packed, requires_grad=False)
    if layer.weight.device.type == "cpu":
        _give_back()


def _give_back() -> None:
    """Return freed memory to the kernel: glibc would keep what each matrix's copies took.

    Measured on 1.1 B parameters loaded as int8: 2.4 GB stayed taken without this, 1.4 GB with.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
    if trim is not None:
        trim(0)


def weight_bytes(model: nn.Module, weights: Weights, float32: str | None = None) -> int:
    """Memory that the weights of a ``QwenVla`` take; the model may be on the meta device.

    Args:
        float32: beginning of the names of those that are float32 nevertheless.
    """
    size, total = compute_dtype(weights).itemsize, 0
    for name, parameter in model.named_parameters():
        kept = float32 is not None and name.startswith(float32)
        total += parameter.numel() * (4 if kept else size)
    if weights not in ("int8", "nf4"):
        return total
    for name, layer in model.named_modules():
        if is_quantised(name, layer) and not (float32 and name.startswith(float32)):
            count, rows = layer.weight.numel(), len(layer.weight)
            if weights == "int8":
                small = count + 5 * rows  # a float32 scale and an int8 zero point per row
            else:
                small = count // 2 + count // SCALE_BLOCK + NF4_TABLE_BYTES
                small += 2 * count // (SCALE_BLOCK * FACTOR_BLOCK)
            total -= 2 * count - small
    return total


def require_memory(
    model: nn.Module, weights: Weights, device: torch.device, float32: str | None = None
) -> None:
    """See that the weights fit on ``device``, before anything is taken.

    Where they take a large part of it, what they need is printed; once, and not by each worker of
    a command.

    Args:
        model: a ``QwenVla`` on the meta device.
        float32: as for ``weight_bytes``.
    Raises:
        CheckpointError: it is not there; the message says how much is missing and what would fit.
    """
    working = WORKING_BYTES * max(p.numel() for p in model.parameters())
    needed = {w: weight_bytes(model, w, float32) + working for w in WEIGHTS}
    free = free_bytes(device)
    text = f"weights as {weights} need {_gb(needed[weights])} on {device}, {_gb(free)} are free"
    if needed[weights] > free * LARGE_PART and parent_process() is None:
        print(text, file=sys.stderr, flush=True)
    if needed[weights] <= free:
        return
    smaller = [w for w in sorted(WEIGHTS, key=needed.get, reverse=True) if needed[w] <= free]
    raise CheckpointError(
        f"{text}: {_gb(needed[weights] - free)} are missing; "
        + (f"{smaller[0]} takes {_gb(needed[smaller[0]])}" if smaller else "nothing smaller fits")
    )


def free_bytes(device: torch.device) -> int:
    """Memory that can still be taken on a device.

    Raises:
        CheckpointError: there is no such device.
    """
    if device.type == "cpu":
        meminfo = Path("/proc/meminfo").read_text().splitlines()
        lines = dict(line.split(":") for line in meminfo)
        return int(lines["MemAvailable"].split()[0]) * 1024
    if device.type == "cuda" and torch.cuda.is_available():
        return torch.cuda.mem_get_info(device)[0]
    raise CheckpointError(
        f"device {device}: torch finds none here (nvidia-smi shows what there is); use cpu"
    )


def _gb(count: int) -> str:
    return f"{count / 1e9:.2f} GB"
