"""The pass of a small network on a CPU as one traced and frozen program.

There most of a pass is not arithmetic but thousands of small operations, each called from Python
and dispatched by torch. Tracing writes them down once, freezing puts the weights in.
"""

import warnings
from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import nn

from .model import Inputs

DELTA_TOKENS = 64
"""Tokens that the backbone's delta rule takes at once (``chunk_size`` of transformers). It loops,
and a trace holds the loop unrolled: a program is for all prompts of as many rounds."""

LARGEST_PARAMETERS = 100_000_000
"""A larger network spends its time on arithmetic, and the program may hold its weights again."""

SAME = 1e-3
"""Largest difference of normalised actions between a program and the eager pass. The kernels are
the same: 0 was measured in float32."""


Result = torch.Tensor | tuple[torch.Tensor, ...]
"""What a pass returns: a chunk, or a context for one."""


def rounds_of(tokens: int) -> int:
    """Rounds of the delta rule that a prompt takes."""
    return -(-tokens // DELTA_TOKENS)


class TracedPass:
    """One kind of pass for prompts of any length of the same ``rounds_of``."""

    def __init__(
        self,
        model: nn.Module,
        run: Callable[..., Result],
        inputs: Inputs,
        tensors: tuple[torch.Tensor, ...],
        differentiable: bool = False,
    ):
        """Trace, which takes about half a second.

        Args:
            model: whose weights ``run`` uses.
            run: of inputs and tensors; under ``inference_mode``.
            inputs: with ``positions_3PL``. tensors: noise and prefix.
            differentiable: whether what it returns is differentiated with.
        """
        self._mode = torch.no_grad if differentiable else torch.inference_mode
        self._inputs, self._run = inputs, run
        arguments = (*inputs.tensors(), *tensors)
        program = _Program(model, run, inputs).eval()
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            traced = torch.jit.trace(program, arguments, check_trace=False)
            self._program = torch.jit.freeze(traced)

    def why_not(self, inputs: Inputs) -> str:
        """Why ``inputs`` are not what was traced; empty where they are."""
        shapes = [view.shape for view in inputs.patches]
        if shapes != [view.shape for view in self._inputs.patches] or inputs.mask_PL is not None:
            return "images or prompts of another shape than was traced"
        if (inputs.grids, inputs.image_at) != (self._inputs.grids, self._inputs.image_at):
            return "images at other places of the prompt than was traced"
        return ""

    def __call__(self, inputs: Inputs, tensors: tuple[torch.Tensor, ...]) -> Result:
        """The pass with these contents; ``inputs`` with ``positions_3PL``."""
        # The executor's own optimisations win nothing and take half a second in the first passes.
        with torch.jit.optimized_execution(False), self._mode():
            return self._program(*inputs.tensors(), *tensors)

    def difference(self, inputs: Inputs, tensors: tuple[torch.Tensor, ...]) -> float:
        """How far what the program returns is from the eager pass on these contents."""
        with self._mode():
            ours, eager = self(inputs, tensors), self._run(inputs, *tensors)
        if isinstance(ours, torch.Tensor):
            ours, eager = (ours,), (eager,)
        apart = [(a - b).abs().max() for a, b in zip(ours, eager, strict=True)]
        return float(torch.stack(apart).max())


class _Program(nn.Module):
    """What is traced: tensors in, chunks out."""

    def __init__(self, model: nn.Module, run: Callable[..., Result], inputs: Inputs):
        super().__init__()
        self.model = model  # so that the trace knows the weights as such
        self._run, self._inputs = run, inputs

    def forward(self, *arguments: torch.Tensor) -> Result:
        rest = iter(arguments)
        inputs = self._inputs.map(lambda _: next(rest))
        return self._run(inputs, *rest)


def with_tokens(inputs: Inputs, tokens: int) -> Inputs:
    """The same with prompts of this length: words are cut off, or the last one is repeated."""
    ids_PL = inputs.input_ids_PL
    missing = max(0, tokens - ids_PL.shape[1])
    longer = F.pad(ids_PL, (0, missing), value=int(ids_PL[0, -1]))
    return replace(inputs, input_ids_PL=longer[:, :tokens])
