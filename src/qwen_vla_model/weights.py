"""Weights on disk: safetensors, one file or shards with an index. Nothing here reads a pickle."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import save_torch_state_dict
from safetensors import SafetensorError, safe_open
from torch import nn

from qwen_vla_core.errors import CheckpointError

from .hub import INDEX, SINGLE
from .json_file import read_json
from .precision import Weights, compute_dtype, is_quantised, quantise

FLOATS = ("F64", "F32", "F16", "BF16")


@dataclass(frozen=True, kw_only=True)
class StoredTensor:
    """A tensor that lies in a file: where, under which key, and what the header says of it."""

    file: Path
    key: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def is_float(self) -> bool:
        """Whether it can be a weight."""
        return self.dtype in FLOATS


def save_weights(
    folder: Path,
    module: nn.Module,
    dtype: torch.dtype,
    shard_size: int | str = "5GB",
    tensors: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """Write a module's weights, in shards with an index where they exceed one shard's size.

    Args:
        tensors: these instead, where the module holds only a part of them.
    Raises:
        CheckpointError: they are quantised; what was lost by that would be lost for good.
    """
    tensors = module.state_dict() if tensors is None else tensors
    for name, tensor in tensors.items():
        if type(tensor) is not torch.Tensor:
            raise CheckpointError(f"{name} is quantised; load as bfloat16 what is to be saved")
    tensors = {name: tensor.to(dtype) for name, tensor in tensors.items()}
    save_torch_state_dict(tensors, folder, max_shard_size=shard_size)


def load_weights(
    module: nn.Module,
    folder: Path,
    device: torch.device | str = "cpu",
    weights: Weights = "float32",
    name_of: Callable[[str], str | None] = lambda key: key,
) -> None:
    """Fill ``module`` from a folder, tensor by tensor, so that only one is ever held twice.

    Parameters on the meta device are created on ``device``, as ``weights``; others keep their
    place and type. Before any tensor is read, all names, shapes and types are compared.

    Args:
        name_of: the parameter for a key of the files; None for a tensor that is not wanted.
    Raises:
        CheckpointError: a file is missing or damaged, or tensors are missing, left over, stored
            twice, of another shape, not floating-point, NaN or infinite; each is named.
    """
    stored = {}
    for entry in read_headers(folder):
        name = name_of(entry.key)
        if name in stored:
            raise CheckpointError(
                f"{folder}: {entry.key} is in {stored[name].file.name} and {entry.file.name}"
            )
        if name is not None:
            stored[name] = entry
    _compare(folder, dict(module.named_parameters()), stored)
    for file in {entry.file: None for entry in stored.values()}:
        with opened(file) as tensors:
            for name, entry in stored.items():
                if entry.file == file:
                    tensor = tensors.get_tensor(entry.key)
                    place(module, name, tensor, torch.device(device), weights, file)


def read_headers(folder: Path) -> list[StoredTensor]:
    """What a folder's files say they hold; reads no weight."""
    found = []
    for file in _files(folder):
        with opened(file) as tensors:
            for key in tensors.keys():
                entry = tensors.get_slice(key)
                shape, dtype = tuple(entry.get_shape()), entry.get_dtype()
                found.append(StoredTensor(file=file, key=key, shape=shape, dtype=dtype))
    return found


def _files(folder: Path) -> list[Path]:
    single, index = folder / SINGLE, folder / INDEX
    if single.exists() == index.exists():
        has = "both" if single.exists() else "neither"
        raise CheckpointError(f"{folder}: needs {SINGLE} or {INDEX} (shards), and holds {has}")
    if single.exists():
        return [single]
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise CheckpointError(f"{index}: weight_map does not say which tensor is in which file")
    for name in names.values():
        if not isinstance(name, str) or "/" in name or not name.endswith(".safetensors"):
            raise CheckpointError(f"{index}: {name!r} is not a safetensors file of this folder")
    return [folder / name for name in sorted(set(names.values()))]


@contextmanager
def opened(file: Path) -> Iterator:
    """A safetensors file.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        with safe_open(file, framework="pt") as tensors:
            yield tensors
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{file}: {error}") from error


def _compare(folder, parameters: Mapping[str, nn.Parameter], stored: Mapping[str, StoredTensor]):
    problems = [f"missing {name}" for name in parameters.keys() - stored.keys()]
    problems += [f"unexpected {name}" for name in stored.keys() - parameters.keys()]
    for name in parameters.keys() & stored.keys():
        entry, shape = stored[name], tuple(parameters[name].shape)
        if entry.shape != shape:
            problems.append(f"{name} is {entry.shape}, not {shape}")
        if not entry.is_float:
            problems.append(f"{name} is of type {entry.dtype}, not one of {', '.join(FLOATS)}")
    if problems:
        raise CheckpointError(f"{folder}: " + "; ".join(sorted(problems)))


@torch.no_grad()
def place(
    module: nn.Module,
    name: str,
    tensor: torch.Tensor,
    device: torch.device,
    weights: Weights,
    file: Path,
) -> None:
    """Put a tensor where a parameter of ``module`` is; see ``load_weights``.

    Args:
        file: where it is from, for the error.
    Raises:
        CheckpointError: it is NaN or infinite.
    """
    owner, _, leaf = name.rpartition(".")
    layer = module.get_submodule(owner)
    parameter = getattr(layer, leaf)
    new = parameter.is_meta
    # A copy even where nothing changes: what safetensors returns is the file itself, mapped.
    tensor = tensor.to(device, compute_dtype(weights), copy=True) if new else tensor.to(parameter)
    if not torch.isfinite(tensor).all():
        raise CheckpointError(f"{file}: {name} is NaN or infinite as {tensor.dtype}")
    if not new:
        parameter.copy_(tensor)
        return
    quantised = weights in ("int8", "nf4")
    setattr(layer, leaf, nn.Parameter(tensor, requires_grad=not quantised))
    if quantised and leaf == "weight" and is_quantised(owner, layer):
        quantise(layer, weights)
