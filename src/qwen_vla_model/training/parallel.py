"""Several processes that train one network, each of which holds a part of its weights (FSDP2).

    torchrun --nproc-per-node 8 -m qwen_vla_cli.main train --config recipe.yaml

Gradients and moments are split in the same way. Each block's weights are put together for as long
as it computes; what is small or used all over, the vision tower among it, for the whole pass.
Each process learns from its share of a step's batches, and the result is that of one process.
"""

import os
from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

from qwen_vla_core.errors import QwenVlaError

from ..model import QwenVla


class Trained(nn.ModuleDict):
    """What learns: the model, and the forecast of boxes (``grounding.py``).

    All that touches its weights runs within ``forward``, which is where they are put together.
    """

    def forward(self, compute: Callable, *arguments):
        """``compute(model, forecast, *arguments)``."""
        return compute(self["model"], self["forecast"], *arguments)


class Processes:
    """The processes of a training; one, unless torchrun started several.

    Attributes:
        rank, count: which one this is, and how many there are.
    """

    def __init__(self, device: str):
        self.rank, self.count = self.planned_rank(), self.planned()
        self._device = device
        if self.count > 1 and not dist.is_initialized():
            if device == "cuda":
                torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
            dist.init_process_group("nccl" if device == "cuda" else "gloo")

    @staticmethod
    def planned() -> int:
        """How many torchrun started."""
        return int(os.environ.get("WORLD_SIZE", 1))

    @staticmethod
    def planned_rank() -> int:
        """Which of them this is."""
        return int(os.environ.get("RANK", 0))

    @property
    def first(self) -> bool:
        """Whether this is the one that says and writes what belongs to all."""
        return self.rank == 0

    def share(self, trained: Trained, batches: int) -> None:
        """Leave each process its part of the weights; nothing, where there is one process.

        Raises:
            QwenVlaError: the batches of a step cannot be shared equally.
        """
        if self.count == 1:
            return
        if batches % self.count:
            raise QwenVlaError(
                f"batches: {batches} of a step cannot be shared by {self.count} processes; make "
                f"it a multiple of {self.count}"
            )
        mesh = init_device_mesh(self._device, (self.count,))
        model: QwenVla = trained["model"]
        for layer in model.backbone.language_model.layers:
            fully_shard(layer, mesh=mesh)
        for block in model.expert.blocks:
            fully_shard(block.modulation, mesh=mesh)  # is used by itself, see ActionExpert.time
            fully_shard(block, mesh=mesh)
            register_fsdp_forward_method(block, "read")
        fully_shard(trained, mesh=mesh, reshard_after_forward=False)

    def same(self, value: float) -> float:
        """What the first process has."""
        return self._reduced(value if self.first else 0.0)

    def total(self, value: float) -> float:
        """The sum of what all have."""
        return self._reduced(value)

    def _reduced(self, value: float) -> float:
        if self.count == 1:
            return value
        held = torch.tensor(value, dtype=torch.float64, device=self._device)
        dist.all_reduce(held)
        return held.item()

    def wait(self) -> None:
        """Until all have come here."""
        if self.count > 1:
            dist.barrier()

    def file(self, name: str) -> str:
        """The name of this process's part of a file: ``model-1-of-8.safetensors``."""
        if self.count == 1:
            return name
        stem, _, end = name.rpartition(".")
        return f"{stem}-{self.rank + 1}-of-{self.count}.{end}"


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor from its parts; all processes have to ask for it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def part(tensor: torch.Tensor) -> torch.Tensor:
    """This process's part of a tensor."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def like(local: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """A tensor whose part this is, shared among the processes as a parameter is."""
    if not isinstance(parameter, DTensor) or local.ndim == 0:
        return local
    return DTensor.from_local(
        local,
        parameter.device_mesh,
        parameter.placements,
        shape=parameter.shape,
        stride=parameter.stride(),
    )
