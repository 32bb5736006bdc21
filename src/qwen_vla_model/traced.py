"""The pass of a small network on a CPU as one traced and frozen program.

There most of a pass is not arithmetic but thousands of small operations, each called from Python
and dispatched by torch. Tracing writes them down once, freezing puts the weights in. Guidance
differentiates the expert's steps, of which the tracer takes nothing: there what is read before the
steps is one program and a step's velocity another, which autograd goes through as through any
operation.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn
from transformers.activations import GELUTanh

from .action_expert import Context, Time
from .model import Inputs, QwenVla

DELTA_TOKENS = 64
"""Tokens that the backbone's delta rule takes at once (``chunk_size`` of transformers). It loops,
and a trace holds the loop unrolled: a program is for all prompts of as many rounds."""

LARGEST_PARAMETERS = 100_000_000
"""A larger network spends its time on arithmetic, and the program may hold its weights again."""

SAME = 1e-3
"""Largest difference of normalised actions between a program and the eager pass. The kernels are
the same: 0 was measured in float32."""


def rounds_of(tokens: int) -> int:
    """Rounds of the delta rule that a prompt takes."""
    return -(-tokens // DELTA_TOKENS)


class TracedPass:
    """One kind of pass for prompts of any length of the same ``rounds_of``."""

    def __init__(
        self,
        model: QwenVla,
        schedule: dict[float, Time],
        inputs: Inputs,
        tensors: tuple[torch.Tensor, ...],
        guide: bool,
    ):
        """Trace, which takes about a quarter of a second.

        Args:
            schedule: ``model.schedule()``.
            inputs: with ``positions_3PL``. tensors: noise and prefix.
            guide: as for ``QwenVla.denoise``.
        """
        self._model, self._inputs, self._guide = model, inputs, guide
        self._eager = partial(model.denoise, guide=guide, schedule=schedule)
        given = inputs.tensors()
        if not guide:
            self._program = _frozen(
                lambda *arguments: self._eager(*self._inputs_of(arguments)), (*given, *tensors)
            )
            return
        self._read = _frozen(
            lambda *arguments: self._context(*self._inputs_of(arguments)).tensors(), given
        )
        first = next(iter(schedule.values()))
        self._step = _frozen(
            partial(self._velocity, first.width),
            (
                tensors[0][:, None],
                first.tau_PD,
                first.modulations,
                inputs.state_PK,
                *self._read(*given),
            ),
        )

    def why_not(self, inputs: Inputs) -> str:
        """Why ``inputs`` are not what was traced; empty where they are."""
        shapes = [view.shape for view in inputs.patches]
        if shapes != [view.shape for view in self._inputs.patches] or inputs.mask_PL is not None:
            return "images or prompts of another shape than was traced"
        if (inputs.grids, inputs.image_at) != (self._inputs.grids, self._inputs.image_at):
            return "images at other places of the prompt than was traced"
        return ""

    def __call__(self, inputs: Inputs, tensors: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """The pass with these contents; ``inputs`` with ``positions_3PL``."""
        if not self._guide:
            with torch.inference_mode():
                return self._program(*inputs.tensors(), *tensors)
        with torch.no_grad():
            context = Context.of_tensors(self._read(*inputs.tensors()))

        def velocity(y, time: Time, state_PK, context: Context) -> torch.Tensor:
            return self._step(y, time.tau_PD, time.modulations, state_PK, *context.tensors())

        return self._eager(inputs, *tensors, context=context, velocity=velocity)

    def difference(self, inputs: Inputs, tensors: tuple[torch.Tensor, ...]) -> float:
        """How far the program's chunk is from that of the eager pass on these contents."""
        ours = self(inputs, tensors)
        with torch.inference_mode(not self._guide):
            return float((ours - self._eager(inputs, *tensors)).abs().max())

    def _inputs_of(self, arguments: Sequence[torch.Tensor]) -> tuple:
        """Inputs made of the first ones, and those that are left."""
        rest = iter(arguments)
        inputs = self._inputs.map(lambda _: next(rest))
        return inputs, *rest

    def _context(self, inputs: Inputs) -> Context:
        return self._model.context(inputs, self._model.read(inputs))

    def _velocity(self, width: int, y, tau_PD, modulations, state_PK, *context) -> torch.Tensor:
        time = Time(tau_PD=tau_PD, modulations=modulations, width=width, clean_PDH=None)
        return self._model.velocity(y, time, state_PK, Context.of_tensors(context))


class _Program(nn.Module):
    """What is traced: tensors in, tensors out.

    The network is only in ``run``: as a part of this module, each of its hundred modules would be
    described to the tracer, half of the time of a trace. So its weights are the trace's constants,
    for which they must not require a gradient.
    """

    def __init__(self, run: Callable):
        super().__init__()
        self._run = run

    def forward(self, *arguments: torch.Tensor):
        return self._run(*arguments)


def _frozen(run: Callable, arguments: tuple[torch.Tensor, ...]) -> Callable:
    """``run`` of tensors like ``arguments`` as a program that holds its weights."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        program = _Program(run).eval()
        frozen = torch.jit.freeze(torch.jit.trace(program, arguments, check_trace=False))

    def call(*tensors: torch.Tensor):
        # The executor's own optimisations win nothing and take half a second in the first passes.
        with torch.jit.optimized_execution(False):
            return frozen(*tensors)

    return call


class _TanhGelu(nn.Module):
    """As ``F.gelu(x, approximate="tanh")``, of which torch's own takes twice as long on a CPU."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # (1 + tanh(u)) / 2 = sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3); in place
        twice = 2 * (2 / torch.pi) ** 0.5
        gate = (x * x).mul_(0.044715 * twice).add_(twice).mul_(x).sigmoid_()
        return gate.mul_(x)


def lay_out(model: nn.Module) -> None:
    """Make small products and the vision tower's activation faster, on a CPU.

    Matrices of linear layers are stored the other way round, which small products read faster: a
    tenth of a chunk. The actions are the same but for rounding.
    """
    for layer in model.modules():
        if isinstance(getattr(layer, "act_fn", None), GELUTanh):
            layer.act_fn = _TanhGelu()
        if isinstance(layer, nn.Linear) and layer.weight.dtype == torch.float32:
            if type(layer.weight.data) is torch.Tensor:  # quantised ones are of their own type
                layer.weight.data = layer.weight.data.t().contiguous().t()


def with_tokens(inputs: Inputs, tokens: int) -> Inputs:
    """The same with prompts of this length: words are cut off, or the last one is repeated."""
    ids_PL = inputs.input_ids_PL
    missing = max(0, tokens - ids_PL.shape[1])
    longer = F.pad(ids_PL, (0, missing), value=int(ids_PL[0, -1]))
    return replace(inputs, input_ids_PL=longer[:, :tokens])
