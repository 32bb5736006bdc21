"""What turns gradients into steps: Muon for the matrices of the blocks, AdamW for the rest or all.

On the bare question of ``grounding.py`` (WidowX and mobile base, rate 1e-3) the loss came to 3.1
after 416 steps with Muon, and to 3.6 after 464 with AdamW for everything; DESIGN.md, section 33.
Muon's update is scaled to the size of AdamW's, so that both take the same learning rates.
"""

from collections.abc import Iterable
from typing import Literal

import torch
from torch import nn

from qwen_vla_core.errors import CheckpointError

from .parallel import like

BLOCKS = (".blocks.", ".layers.")
"""In the names of what a transformer repeats: vision tower and expert, language model."""
ADAPTER = "lora_"
"""In the names of low-rank matrices, whose update Muon would give full rank: AdamW's."""


Method = Literal["muon", "adamw"]


def is_matrix(name: str, parameter: torch.Tensor) -> bool:
    """Whether it is a matrix of a block, which Muon steps."""
    return parameter.ndim == 2 and any(part in name for part in BLOCKS) and ADAPTER not in name


class Optimizer:
    """Both as one."""

    def __init__(
        self,
        parameters: Iterable[tuple[str, nn.Parameter, float]],
        weight_decay: float,
        betas: tuple[float, float],
        method: Method = "muon",
    ):
        """Take over some parameters.

        Args:
            parameters: names, what learns, and its peak learning rate.
            weight_decay: of matrices only.
            betas: AdamW's.
            method: ``adamw`` takes AdamW for the matrices as well. Muon's iterations cost as much
                as a whole pass at five billion parameters.
        """
        self._names: dict[nn.Parameter, str] = {}
        matrices: dict[float, list] = {}
        rest: dict[tuple[float, float], list] = {}
        for name, parameter, rate in parameters:
            self._names[parameter] = name
            if method == "muon" and is_matrix(name, parameter):
                matrices.setdefault(rate, []).append(parameter)
            else:
                decay = weight_decay if parameter.ndim > 1 else 0.0
                rest.setdefault((rate, decay), []).append(parameter)
        self._parts: list[torch.optim.Optimizer] = []
        if matrices:
            groups = [{"params": some, "peak": rate} for rate, some in matrices.items()]
            self._parts.append(
                torch.optim.Muon(groups, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
            )
        if rest:
            groups = [
                {"params": some, "peak": rate, "weight_decay": decay}
                for (rate, decay), some in rest.items()
            ]
            self._parts.append(torch.optim.AdamW(groups, betas=betas))

    def step(self, scale: float) -> None:
        """Step along the gradients, at a share of each peak rate, and clear them."""
        for part in self._parts:
            for group in part.param_groups:
                group["lr"] = scale * group["peak"]
            part.step()
            part.zero_grad()

    def state(self) -> dict[str, torch.Tensor]:
        """What ``load`` needs to go on: moments, as ``parameter/moment``."""
        return {
            f"{self._names[parameter]}/{key}": value
            for part in self._parts
            for parameter, entries in part.state.items()
            for key, value in entries.items()
        }

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Take over what ``state`` returned.

        Raises:
            CheckpointError: it is of something that does not learn here.
        """
        of_name = {
            self._names[parameter]: (part, parameter)
            for part in self._parts
            for group in part.param_groups
            for parameter in group["params"]
        }
        for key, value in state.items():
            name, _, kind = key.rpartition("/")
            if name not in of_name:
                raise CheckpointError(f"optimizer.safetensors: this recipe does not train {name}")
            part, parameter = of_name[name]
            part.state[parameter][kind] = like(value, parameter)
