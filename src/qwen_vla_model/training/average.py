"""A moving average of the weights, which is often better than the weights of any one step."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from .parallel import part


class Average:
    """The average of what learns: after each step a small share of it is the new weights."""

    def __init__(self, named: Sequence[tuple[str, nn.Parameter]], decay: float):
        """Begin with the weights as they are.

        Args:
            named: names, and what learns. decay: share of the average that a step leaves.
        """
        self._decay = decay
        self._names = [name for name, _ in named]
        self._parameters = [parameter for _, parameter in named]
        self._average = [parameter.data.clone() for _, parameter in named]

    @torch.no_grad()
    def update(self) -> None:
        """After a step."""
        current = [parameter.data for parameter in self._parameters]
        torch._foreach_lerp_(self._average, current, 1.0 - self._decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within the block the network has the average as its weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for parameter, average in zip(self._parameters, self._average, strict=True):
            kept = parameter.data.clone()
            parameter.data.copy_(average)
            average.copy_(kept)

    def state(self) -> dict[str, torch.Tensor]:
        """What ``load`` needs to go on."""
        return dict(zip(self._names, self._average, strict=True))

    @torch.no_grad()
    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Take over what ``state`` returned."""
        for name, average in zip(self._names, self._average, strict=True):
            part(average).copy_(state[name])
