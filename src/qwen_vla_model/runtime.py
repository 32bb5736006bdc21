"""How the network runs on a robot: the same pass again and again.

On a GPU most of an eager pass is the launching of thousands of kernels. There the pass is
captured once, at warm-up, as a CUDA graph on buffers of fixed shape, and replayed with new
contents: another image, state, prefix or instruction is a copy into these buffers. What does
not fit them, a very long instruction, runs eagerly, and the reason is reported. On a CPU the pass
of a small network is a traced program (``traced.py``), with the same rules.
"""

import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import nn

from qwen_vla_core.errors import CheckpointError

from .model import Inputs, QwenVla
from .traced import LARGEST_PARAMETERS, TracedPass, lay_out, rounds_of, with_tokens
from .traced import SAME as TRACED_SAME

WARM_UPS = 3
"""Passes before a capture: libraries allocate and choose their kernels in the first ones."""

SAME = 0.01
"""Largest difference of normalised actions between a graph and the eager pass that it repeats.
The kernels are the same, so it is 0, except for those that add in any order."""


@dataclass(frozen=True, kw_only=True)
class PrefixInputs:
    """The prefix of the chunk in use, as ``QwenVla.denoise`` takes it."""

    prefix_PHK: torch.Tensor
    weight_PH: torch.Tensor
    guide: bool

    def tensors(self) -> tuple[torch.Tensor, torch.Tensor]:
        """All of them."""
        return self.prefix_PHK, self.weight_PH

    def map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "PrefixInputs":
        """The same with every tensor changed."""
        prefix_PHK, weight_PH = map(change, self.tensors())
        return PrefixInputs(prefix_PHK=prefix_PHK, weight_PH=weight_PH, guide=self.guide)


def together(held: Sequence[PrefixInputs | None]) -> PrefixInputs | None:
    """What several prompts hold, as one; all of the same kind and shapes."""
    first = held[0]
    if first is None or len(held) == 1:
        return first
    return PrefixInputs(
        prefix_PHK=torch.cat([one.prefix_PHK for one in held]),
        weight_PH=torch.cat([one.weight_PH for one in held]),
        guide=first.guide,
    )


class Runtime:
    """Runs a model whose weights do not change any more.

    Attributes:
        why_eager: why the last pass was neither a replayed graph nor a traced program; empty
            where it was.
        eager_passes: how many were neither, of those that one was expected for.
        tokens: of the last prompt, with its padding.
    """

    def __init__(self, model: QwenVla, seed: int = 0):
        self.model = model.requires_grad_(False).eval()
        self.device = next(model.parameters()).device
        self.why_eager = "nothing ran yet"
        self.eager_passes = self.tokens = 0
        with torch.no_grad():
            self._schedule = model.schedule()
        self._generator = torch.Generator(self.device).manual_seed(seed)
        self._shared_pool: object = None
        self._fixed: dict[tuple[str, int], _FixedPass] = {}
        self._failed: dict[tuple[str, int], str] = {}
        self._traced: dict[tuple[str, int], dict[int, TracedPass]] = {}

    @property
    def path(self) -> str:
        """How the last pass ran: ``eager``, ``traced`` or ``graph``."""
        return "eager" if self.why_eager else "traced" if self._traced else "graph"

    @property
    def prepared(self) -> int:
        """How many kinds of passes run from fixed buffers, on a GPU as graphs."""
        return len(self._fixed)

    def reseed(self, seed: int) -> None:
        """Seed the generator of the noise that chunks start from."""
        self._generator.manual_seed(seed)

    def fix(self, inputs: Inputs, prefix: PrefixInputs | None) -> None:
        """Prepare passes of these shapes and this kind of prefix; on a GPU, capture them.

        A capture that fails leaves the eager path, and the reason in ``why_eager``.
        """
        kind = _kind(inputs, prefix)
        if kind in self._fixed or kind in self._failed:
            return
        noise = self._noise(inputs)
        example = _FixedPass(self._denoise, inputs.to(self.device), noise, self._moved(prefix))
        try:
            example.capture(self.device, self._pool())
            difference = example.difference()
        except Exception as error:  # kernels, compilers and libraries raise what they like
            self._failed[kind] = f"the capture failed: {type(error).__name__}: {error}"
            self._check_context(error)
            return
        if difference <= SAME:
            self._fixed[kind] = example
        else:  # also NaN
            self._failed[kind] = f"the graph's chunk is {difference:.2g} away from the eager one"

    def _pool(self) -> object:
        """The memory of all graphs: one runs at a time, and its result is used before the next."""
        if self._shared_pool is None and self.device.type == "cuda":
            self._shared_pool = torch.cuda.graph_pool_handle()
        return self._shared_pool

    def _check_context(self, cause: Exception) -> None:
        """See that the device still computes after a failure.

        Raises:
            CheckpointError: it does not: whatever it would say from now on cannot be trusted.
        """
        try:
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            ones = torch.ones(8, device=self.device)
            if float((ones + ones).sum()) != 16.0:
                raise RuntimeError("1 + 1 is not 2")
        except RuntimeError as error:
            raise CheckpointError(
                f"{self.device} is unusable after a capture that failed ({cause}): {error}; "
                "start this process again, with eager passes: --device cpu shows whether the "
                "checkpoint is sound"
            ) from error

    def trace(self, inputs: Inputs, prefix: PrefixInputs | None, tokens: range) -> None:
        """Trace passes of this kind for prompts of these lengths; of a small network on a CPU.

        A trace that fails leaves the eager path, and the reason in ``why_eager``.

        Args:
            inputs: without padding.
        """
        kind = _kind(inputs, prefix)
        parameters = sum(p.numel() for p in self.model.parameters())
        if self.device.type != "cpu" or parameters > LARGEST_PARAMETERS:
            return
        if kind in self._traced or kind in self._failed:
            return
        lay_out(self.model)
        programs = {}
        for rounds in range(rounds_of(tokens[0]), rounds_of(tokens[-1]) + 1):
            of_rounds = [length for length in tokens if rounds_of(length) == rounds]
            try:
                programs[rounds] = self._checked_trace(inputs, prefix, of_rounds)
            except Exception as error:  # what torch cannot trace or freeze: any of its own
                self._failed[kind] = f"no traced program: {error}"
                return
        self._traced[kind] = programs

    def _checked_trace(
        self, inputs: Inputs, prefix: PrefixInputs | None, lengths: Sequence[int]
    ) -> TracedPass:
        """A program that repeats the eager pass on contents and lengths that it was not made with.

        Raises:
            RuntimeError: it does not.
        """

        def contents(length: int) -> tuple[Inputs, tuple[torch.Tensor, ...]]:
            of_length = with_tokens(inputs, length)
            noise = torch.randn(inputs.valid_PHK.shape)
            return self._with_positions(of_length), self._tensors(noise, prefix)

        guide = prefix is not None and prefix.guide
        like = contents(lengths[len(lengths) // 2])
        program = TracedPass(self.model, self._schedule, *like, guide)
        for length in (lengths[0], lengths[-1]):
            other, tensors = contents(length)
            other = replace(other, patches=tuple(map(torch.randn_like, other.patches)))
            difference = program.difference(other, tensors)
            if not difference <= TRACED_SAME:  # also NaN
                raise RuntimeError(f"its chunk is {difference:.2g} away from the eager one")
        return program

    def _with_positions(self, inputs: Inputs) -> Inputs:
        return replace(inputs, positions_3PL=self.model.positions(inputs))

    @staticmethod
    def _tensors(noise: torch.Tensor, prefix: PrefixInputs | None) -> tuple[torch.Tensor, ...]:
        return (noise, *(() if prefix is None else prefix.tensors()))

    def chunk(self, inputs: Inputs, prefix: PrefixInputs | None = None) -> torch.Tensor:
        """Normalised chunks [P, H, K] on the device, valid until the next call.

        Args:
            inputs: on any device.
        """
        self.tokens = inputs.input_ids_PL.shape[1]
        kind, noise = _kind(inputs, prefix), self._noise(inputs)
        if kind in self._fixed:
            self.why_eager = self._fixed[kind].why_not(inputs)
            if not self.why_eager:
                return self._fixed[kind](inputs, noise, prefix)
        elif kind in self._traced:
            program = self._traced[kind].get(rounds_of(self.tokens))
            self.why_eager = (
                program.why_not(inputs)
                if program is not None
                else f"a prompt of {self.tokens} tokens is longer than what was traced"
            )
            if not self.why_eager:
                return program(self._with_positions(inputs), self._tensors(noise, prefix))
        elif kind in self._failed:
            self.why_eager = self._failed[kind]
        elif self._fixed or self._failed or self._traced:
            self.why_eager = f"{kind[0]} passes of {kind[1]} prompts were not prepared"
        else:
            self.why_eager = f"no graphs on {self.device.type}"
        self.eager_passes += bool(self._fixed or self._failed or kind in self._traced)
        return self._denoise(inputs.to(self.device), noise, self._moved(prefix))

    def _denoise(
        self, inputs: Inputs, noise: torch.Tensor, prefix: PrefixInputs | None
    ) -> torch.Tensor:
        arguments = () if prefix is None else (prefix.prefix_PHK, prefix.weight_PH)
        guide = prefix is not None and prefix.guide
        with torch.inference_mode(not guide):  # guidance differentiates
            return self.model.denoise(
                inputs, noise, *arguments, guide=guide, schedule=self._schedule
            )

    def _noise(self, inputs: Inputs) -> torch.Tensor:
        shape = inputs.valid_PHK.shape
        return torch.randn(shape, generator=self._generator, device=self.device)

    def _moved(self, prefix: PrefixInputs | None) -> PrefixInputs | None:
        return None if prefix is None else prefix.map(lambda t: t.to(self.device))


def peak_mib(device: torch.device) -> float:
    """Most memory that was in use: of the GPU, or of this process so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def _kind(inputs: Inputs, prefix: PrefixInputs | None) -> tuple[str, int]:
    """Passes of one kind, and of the same shapes, run the same kernels."""
    kind = "free" if prefix is None else "guided" if prefix.guide else "continued"
    return kind, len(inputs.valid_PHK)


class _FixedPass:
    """One kind of pass on buffers that stay where they are."""

    def __init__(
        self, run: Callable[..., torch.Tensor], inputs: Inputs, noise, prefix: PrefixInputs | None
    ):
        self._inputs, self._noise = inputs.map(torch.clone), noise.clone()
        self._prefix = None if prefix is None else prefix.map(torch.clone)
        self._run = lambda: run(self._inputs, self._noise, self._prefix)
        self._replay = self._run

    def capture(self, device: torch.device, pool: object) -> None:
        """Record what a pass launches; elsewhere than on a GPU there is nothing to record."""
        if device.type == "cuda":
            self._replay = replayed(self._run, pool)

    def difference(self) -> float:
        """How far the replayed chunk is from the eager one on contents that were not captured.

        A kernel that was launched past the capture leaves no error, only old contents.
        """
        for buffer in (*self._inputs.patches, self._noise):
            buffer.normal_()
        replayed_chunk = self._replay().clone()
        return float((replayed_chunk - self._run()).abs().max())

    def why_not(self, inputs: Inputs) -> str:
        """Why ``inputs`` do not fit the buffers; empty where they do."""
        tokens, room = inputs.input_ids_PL.shape[1], self._inputs.input_ids_PL.shape[1]
        if tokens != room:
            return f"a prompt of {tokens} tokens does not fit the {room} that were prepared"
        if [t.shape for t in inputs.tensors()] != [t.shape for t in self._inputs.tensors()]:
            return "images or prompts of another shape than was prepared"
        if (inputs.grids, inputs.image_at) != (self._inputs.grids, self._inputs.image_at):
            return "images at other places of the prompt than was prepared"
        return ""

    def __call__(
        self, inputs: Inputs, noise: torch.Tensor, prefix: PrefixInputs | None
    ) -> torch.Tensor:
        """The pass with these contents."""
        for buffer, new in zip(self._inputs.tensors(), inputs.tensors(), strict=True):
            buffer.copy_(new, non_blocking=True)
        self._noise.copy_(noise)
        if prefix is not None:
            for buffer, new in zip(self._prefix.tensors(), prefix.tensors(), strict=True):
                buffer.copy_(new, non_blocking=True)
        return self._replay()


def replayed(run: Callable[[], object], pool=None) -> Callable[[], object]:
    """Capture what ``run`` launches on the current GPU; calling the result launches it again.

    Args:
        run: works on buffers that stay where they are.
        pool: memory pool shared with the graphs of other parts of the same pass.
    Returns:
        A function whose result is always the same object, with new contents.
    """
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UPS):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool):
        output = run()

    def replay() -> object:
        graph.replay()
        return output

    return replay


def compile_passes(model: QwenVla, *, dynamic: bool) -> list[tuple[nn.Module, str]]:
    """Let torch.compile fuse the arithmetic of a pass. What is drawn and looked up stays outside.

    Compiling takes minutes the first time; the result is kept on disk.

    Args:
        dynamic: one program for all shapes, as training needs; else one for each.
    Returns:
        What was replaced, as (owner, name of its method).
    """
    parts = [
        (model.backbone, "see"),
        (model.backbone.language_model, "forward"),
        (model.expert, "prepare"),
        (model.expert, "forward"),
    ]
    for owner, name in parts:
        setattr(owner, name, torch.compile(getattr(owner, name), dynamic=dynamic))
    return parts


@contextmanager
def compiled(model: QwenVla) -> Iterator[None]:
    """``compile_passes`` for fixed shapes, for as long as it lasts."""
    parts = compile_passes(model, dynamic=False)
    try:
        yield
    finally:
        for owner, name in parts:
            delattr(owner, name)  # what the class has shows again
