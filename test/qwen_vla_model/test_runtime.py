"""The pass from fixed buffers is the eager pass; on a GPU it is its replayed graph.

So is the traced program of a CPU.
"""

from dataclasses import replace
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from micro_qwen_vla import micro_config, micro_inputs, micro_model
from qwen_vla_core.errors import CheckpointError
from qwen_vla_model.config import qwen_vla_5b
from qwen_vla_model.runtime import PrefixInputs, Runtime, compiled
from qwen_vla_model.speed.passes import Shape, random_inputs, random_model
from qwen_vla_model.traced import DELTA_TOKENS, TracedPass, lay_out

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}
"""Of float32: padding changes the shapes, and with them the order of the sums."""
ROOM = 24
KINDS = ["free", "continued", "guided"]


def held_of(kind, seed=0):
    """A prefix of two steps for two robots."""
    if kind == "free":
        return None
    generator = torch.Generator().manual_seed(seed)
    return PrefixInputs(
        prefix_PHK=torch.randn(2, 4, 5, generator=generator),
        weight_PH=torch.tensor([[1.0, 1.0, 0.5, 0.0], [1.0, 0.0, 0.0, 0.0]]),
        guide=kind == "guided",
    )


def inputs_of(seed, words):
    """Two robots that see noise, with ``words`` random words behind their views."""
    generator = torch.Generator().manual_seed(seed)
    inputs = micro_inputs()
    views = inputs.input_ids_PL[:, : max(inputs.image_at) + 2]
    text = torch.randint(7, 60, (2, words), generator=generator)
    return replace(
        inputs,
        patches=tuple(torch.randn(view.shape, generator=generator) for view in inputs.patches),
        input_ids_PL=torch.cat([views, text], dim=1),
        state_PK=torch.randn(2, 5, generator=generator),
    )


def padded(inputs, length=ROOM):
    """As the processor pads to a fixed length."""
    ids = inputs.input_ids_PL
    missing = length - ids.shape[1]
    mask = F.pad(torch.ones_like(ids, dtype=torch.bool), (0, missing), value=False)
    return replace(inputs, input_ids_PL=F.pad(ids, (0, missing), value=9), mask_PL=mask)


def runtimes(**choices):
    """One that was prepared for fixed shapes and one that was not, with the same noise."""
    model = micro_model(prefix_steps=3, euler_steps=2, **choices).to(DEVICE)
    fixed, eager = Runtime(model, seed=7), Runtime(model, seed=7)
    return fixed, eager


def prepare(runtime, kinds=KINDS):
    for kind in kinds:
        runtime.fix(padded(inputs_of(0, 3)), held_of(kind))


@pytest.mark.parametrize("prediction", ["velocity", "action"])
@pytest.mark.parametrize("context", ["cached", "joint"])
def test_when_run_from_fixed_buffers_expect_the_eager_chunk_for_any_contents(context, prediction):
    """Other images, states, prefixes and words need no new preparation."""
    fixed, eager = runtimes(context=context, prediction=prediction)
    prepare(fixed)
    fixed._generator.set_state(eager._generator.get_state())
    for i, (kind, words) in enumerate(zip(KINDS * 2, (1, 9, 3, 11, 2, 10), strict=True)):
        inputs, held = inputs_of(i, words), held_of(kind, seed=i)
        chunk = fixed.chunk(padded(inputs), held)
        assert fixed.why_eager == ""
        torch.testing.assert_close(chunk, eager.chunk(inputs, held), **TOLERANCE)
    assert fixed.eager_passes == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda i: padded(i, ROOM + 4), "28 tokens does not fit the 24"),
        (lambda i: replace(padded(i), mask_PL=None), "another shape"),
        (lambda i: replace(padded(i), grids=((2, 8), (4, 4))), "other places"),
    ],
)
def test_when_something_does_not_fit_expect_the_eager_chunk_and_the_reason(change, reason):
    fixed, eager = runtimes()
    prepare(fixed, ["free"])
    fixed._generator.set_state(eager._generator.get_state())
    inputs = change(inputs_of(1, 3))
    torch.testing.assert_close(fixed.chunk(inputs), eager.chunk(inputs), **TOLERANCE)
    assert reason in fixed.why_eager and fixed.eager_passes == 1
    fixed.chunk(padded(inputs_of(2, 3)))
    assert fixed.why_eager == "" and fixed.eager_passes == 1
    fixed.chunk(padded(inputs_of(2, 3)), held_of("guided"))
    assert "guided passes of 2 prompts" in fixed.why_eager and fixed.eager_passes == 2


def test_when_nothing_was_prepared_expect_it_said_and_no_fallback_counted():
    runtime, _ = runtimes()
    runtime.chunk(inputs_of(0, 3))
    assert "graph" in runtime.why_eager and runtime.eager_passes == 0


@pytest.mark.parametrize("wrong", [0.1, float("nan")])
def test_when_the_graph_repeats_old_contents_expect_it_refused(monkeypatch, wrong):
    def capture(self, device, pool):
        run = self._run
        self._replay = lambda: run() + wrong

    monkeypatch.setattr("qwen_vla_model.runtime._FixedPass.capture", capture)
    fixed, eager = runtimes()
    prepare(fixed, ["free"])
    fixed._generator.set_state(eager._generator.get_state())
    inputs = padded(inputs_of(0, 3))
    torch.testing.assert_close(fixed.chunk(inputs), eager.chunk(inputs))
    assert "away from the eager one" in fixed.why_eager and fixed.eager_passes == 1


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("operation not permitted when stream is capturing"),
        TypeError("a library's own kernel: stream is capturing"),
    ],
)
def test_when_the_capture_fails_expect_the_eager_chunk_and_the_reason(monkeypatch, error):
    def fail(self, device, pool):
        raise error

    monkeypatch.setattr("qwen_vla_model.runtime._FixedPass.capture", fail)
    fixed, eager = runtimes()
    prepare(fixed, ["free"])
    fixed._generator.set_state(eager._generator.get_state())
    inputs = padded(inputs_of(0, 3))
    torch.testing.assert_close(fixed.chunk(inputs), eager.chunk(inputs))
    assert "stream is capturing" in fixed.why_eager and fixed.eager_passes == 1


def test_when_the_device_computes_nonsense_after_a_failure_expect_no_chunk(monkeypatch):
    def fail(self, device, pool):
        monkeypatch.setattr(torch, "ones", torch.zeros)
        raise RuntimeError("an illegal memory access was encountered")

    monkeypatch.setattr("qwen_vla_model.runtime._FixedPass.capture", fail)
    with pytest.raises(CheckpointError, match="unusable after a capture.*illegal memory access"):
        prepare(runtimes()[0], ["free"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("context", ["cached", "joint"])
@torch.no_grad()
def test_when_no_value_can_be_read_expect_a_pass_all_the_same(context, kind):
    """Tensors without values: whatever would wait for the GPU or be captured wrongly, raises."""
    meta = torch.device("meta")
    model = random_model(micro_config(context=context, prefix_steps=3), meta, torch.bfloat16)
    inputs, held = padded(inputs_of(0, 3)).to(meta), held_of(kind)
    arguments = () if held is None else held.map(lambda t: t.to(meta)).tensors()
    chunk = model.denoise(inputs, torch.empty(2, 4, 5, device=meta), *arguments)
    assert chunk.shape == (2, 4, 5) and chunk.device.type == "meta"


@torch.no_grad()
def test_when_the_full_size_is_run_without_values_expect_a_pass():
    """What a GPU would run, as far as it can be known without one: shapes, types, devices."""
    meta, config = torch.device("meta"), qwen_vla_5b()
    model = random_model(config, meta, torch.bfloat16)
    shape = Shape(views=3, size=224, text_tokens=80)
    inputs = random_inputs(config, shape, meta)
    assert model.denoise(inputs, torch.empty(1, 16, 64, device=meta)).shape == (1, 16, 64)


def test_when_compiled_expect_the_same_chunk_and_nothing_compiled_again_for_new_contents(
    monkeypatch,
):
    """Traced as for a real compiler, and then run as it is: that part needs no minutes."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager", fullgraph=True))
    runtime, _ = runtimes()
    contents = [
        (
            padded(inputs_of(i, words)).to(DEVICE),
            torch.randn(2, 4, 5, device=DEVICE),
            held_of("continued", seed=i).map(lambda t: t.to(DEVICE)),
        )
        for i, words in enumerate((3, 9, 1))
    ]
    expected = [runtime._denoise(*content) for content in contents]
    with compiled(runtime.model):
        runtime._denoise(*contents[0])
        with torch.compiler.set_stance("fail_on_recompile"):
            chunks = [runtime._denoise(*content) for content in contents]
    for chunk, same in zip(chunks, expected, strict=True):
        torch.testing.assert_close(chunk, same, **TOLERANCE)


# --- a traced program, on a CPU

SHORT, LONG = 13, DELTA_TOKENS + 40
"""Tokens of prompts of one round of the delta rule, and of two."""


def traced(kind, longest=LONG, **choices):
    """One that was traced for prompts of a kind from SHORT on, and one that was not."""
    model = micro_model(prefix_steps=3, euler_steps=2, **choices)
    program, eager = Runtime(model, seed=7), Runtime(model, seed=7)
    program.trace(inputs_of(0, 3), held_of(kind), range(SHORT, longest + 1))
    return program, eager


@pytest.mark.parametrize(
    ("kind", "choices"),
    [
        ("free", {"context": "joint"}),
        ("continued", {}),
        pytest.param("continued", {"prediction": "velocity"}, marks=pytest.mark.long),
        ("guided", {}),
        pytest.param("guided", {"context": "joint"}, marks=pytest.mark.long),
    ],
)
def test_when_traced_expect_the_eager_chunk_for_any_contents_and_length(kind, choices):
    program, eager = traced(kind, **choices)
    for i, words in enumerate((1, 30, DELTA_TOKENS - 12, DELTA_TOKENS - 11, 90)):
        inputs, held = inputs_of(i, words), held_of(kind, seed=i)
        chunk = program.chunk(inputs, held)
        assert (program.path, program.why_eager) == ("traced", "")
        torch.testing.assert_close(chunk, eager.chunk(inputs, held), **TOLERANCE)
    assert program.eager_passes == 0


def test_when_traced_expect_matrices_the_other_way_round_and_the_chunk_as_before():
    model, inputs, held = micro_model(prefix_steps=3), inputs_of(1, 5), held_of("continued")
    before = Runtime(model, seed=7).chunk(inputs, held)
    program = Runtime(model, seed=7)
    program.trace(inputs_of(0, 3), held, range(SHORT, DELTA_TOKENS))
    for layer in model.modules():
        if isinstance(layer, torch.nn.Linear):
            assert layer.weight.t().is_contiguous()
    torch.testing.assert_close(program.chunk(inputs, held), before, **TOLERANCE)
    assert program.path == "traced"


def test_when_something_was_not_traced_expect_the_eager_chunk_and_the_reason():
    program, eager = traced("continued", longest=DELTA_TOKENS)
    one_view = replace(inputs_of(1, 3), patches=inputs_of(1, 3).patches[:1])
    assert "another shape" in next(iter(program._traced.values()))[1].why_not(one_view)
    asked = [
        (inputs_of(1, 2 * DELTA_TOKENS), "continued", "longer than what was traced", 1),
        (replace(inputs_of(1, 3), grids=((2, 8), (4, 4))), "continued", "other places", 2),
        (inputs_of(1, 3), "guided", "guided passes", 2),  # no program was asked for
        (padded(inputs_of(1, 3)), "continued", "another shape", 3),
    ]
    for inputs, kind, reason, fallbacks in asked:
        chunk, held = program.chunk(inputs, held_of(kind)), held_of(kind)
        torch.testing.assert_close(chunk, eager.chunk(inputs, held), **TOLERANCE)
        assert reason in program.why_eager and program.eager_passes == fallbacks
    program.chunk(inputs_of(1, 3), held_of("continued"))
    assert program.why_eager == ""


@pytest.mark.parametrize(
    ("fault", "reason"), [(0.1, "0.1 away from the eager one"), (float("nan"), "nan away")]
)
def test_when_a_traced_program_differs_expect_the_eager_chunk_and_the_reason(
    monkeypatch, fault, reason
):
    run = TracedPass.__call__
    monkeypatch.setattr(TracedPass, "__call__", lambda *asks: run(*asks) + fault)
    program, eager = traced("free", longest=DELTA_TOKENS)
    torch.testing.assert_close(program.chunk(inputs_of(1, 3)), eager.chunk(inputs_of(1, 3)))
    assert reason in program.why_eager and program.eager_passes == 1


def test_when_torch_cannot_trace_expect_the_eager_chunk_and_the_reason(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("Tracer cannot infer type")

    monkeypatch.setattr(torch.jit, "trace", fail)
    program, eager = traced("free")
    torch.testing.assert_close(program.chunk(inputs_of(1, 3)), eager.chunk(inputs_of(1, 3)))
    assert "cannot infer type" in program.why_eager and program.eager_passes == 1


@torch.no_grad()
def test_when_a_model_is_laid_out_for_a_cpu_expect_the_same_actions_and_another_activation():
    model, inputs = micro_model(), inputs_of(1, 5)
    block, noise = model.backbone.visual.blocks[0].mlp, torch.randn(2, 4, 5)
    values = torch.linspace(-50.0, 50.0, 4001)
    before, activation = model.denoise(inputs, noise), block.act_fn
    lay_out(model)
    assert block.act_fn is not activation
    torch.testing.assert_close(block.act_fn(values), activation(values), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(model.denoise(inputs, noise), before, **TOLERANCE)
