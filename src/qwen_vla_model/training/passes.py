"""The passes of a step beside each other, one for each batch.

A small network leaves a second core idle: its matrices are too small to be shared (two threads on
one pass were slower than one). Two passes on two cores do 1.8 times as much.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from typing import TypeVar

import torch
from torch import nn

T = TypeVar("T")


class Passes:
    """Computes the gradients of a step, on a CPU in as many threads as there are cores.

    Threads and not processes, so that the recordings are in memory once. Each thread has a network
    of its own with the same weights, because gradients are kept beside those.
    """

    def __init__(self, trained: nn.Module, batches: int, beside: bool):
        """Prepare for some batches per step.

        Args:
            beside: several at a time; a GPU is kept busy by one.
        """
        self._networks = [trained]
        for _ in range(min(batches, os.cpu_count() or 1) - 1 if beside else 0):
            twin = deepcopy(trained)
            for own, shared in zip(twin.parameters(), trained.parameters(), strict=True):
                own.data = shared.data
            self._networks.append(twin)
        self._pool = ThreadPoolExecutor(len(self._networks))

    def backward(
        self,
        batches: Sequence[T],
        sizes: Sequence[int],
        loss: Callable[[nn.Module, int, T], torch.Tensor],
    ) -> float:
        """Leave the gradients of the mean loss in the trained weights, and return that loss.

        Args:
            sizes: of the batches; each thread gets about as much.
            loss: of a network for the n-th batch.
        """

        def run(network: nn.Module, share: Sequence[int]) -> float:
            losses = []
            for n in share:
                one = loss(network, n, batches[n]) / len(batches)
                one.backward()
                losses.append(one.detach())
            return sum(one.item() for one in losses)  # a GPU is waited for once, at the end

        shares = balanced(sizes, len(self._networks))
        total = sum(self._pool.map(run, self._networks, shares))
        trained, *twins = ([*network.parameters()] for network in self._networks)
        for twin in twins:
            for own, gathered in zip(twin, trained, strict=True):
                if own.grad is None:
                    continue
                gathered.grad = own.grad if gathered.grad is None else gathered.grad + own.grad
                own.grad = None
        return total


def balanced(sizes: Sequence[int], shares: int) -> list[list[int]]:
    """Indices of what has these sizes, in about equal shares.

    The largest go first, each to the share that is the smallest by then.
    """
    taken: list[list[int]] = [[] for _ in range(shares)]
    for n in sorted(range(len(sizes)), key=lambda n: -sizes[n]):
        min(taken, key=lambda share: sum(sizes[i] for i in share)).append(n)
    return taken
