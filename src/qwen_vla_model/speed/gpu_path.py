"""What of the GPU path really happens on this machine, item by item, beside what is wanted."""

import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.execution import Prefix
from qwen_vla_core.observation.empty_scene import empty_scene

from ..delta_net import resolved
from ..images import CAMERA_SIZES, prepare_sizes
from ..policy import QwenVlaPolicy
from ..runtime import Runtime
from .training_step import waits

LONGEST = 500
"""Characters of a cell: what a compiler raises is pages long."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing that was looked at."""

    what: str
    found: str
    wanted: str


def look(robot: Embodiment, device: str, compile_too: bool) -> Iterator[Item]:
    """The shipped policy on a device; takes seconds, and with ``compile_too`` minutes.

    What fails is found out as well, and what comes after it is looked at all the same.
    """
    policy = QwenVlaPolicy.load(None, robot, device=device)
    policy.warm_up()
    path = "graph" if device.startswith("cuda") else "traced"
    _, actions = _tokens(policy)
    rows: list[tuple[str, str, Callable[[], str]]] = [
        ("delta rule", "fla...", resolved),
        ("said to be slow here", "nothing", lambda: policy.slow_reason or "nothing"),
        ("graphs, and the pools of their memory", "one pool", lambda: graphs(policy)),
    ]
    for kind, prefix in _prefixes(policy).items():
        rows.append((f"{kind} pass", path, lambda prefix=prefix: _path(policy, prefix)))
    rows += [
        ("a capture that fails", "eager, 0 away", lambda: failed_capture(policy)),
        ("attention under a mask", "a fused kernel", lambda: _fused(policy, device)),
        (
            "tokens with modulations of their own",
            f"1, behind a prefix {1 + actions}",
            lambda: modulated(policy),
        ),
        ("waits in a training step", "1, for its loss", lambda: str(waits(robot, device))),
        ("tokens of a prompt", "the second time nothing", lambda: _prompt_ms(policy)),
        (
            f"images of {len(CAMERA_SIZES)} cameras' sizes, what was not ready",
            "0",
            lambda: str(prepare_sizes(policy.runtime.device, robot.cameras)),
        ),
    ]
    if compile_too:
        rows.append(("compiled pass", path, lambda: _compiled(robot, device)))
    for what, wanted, find in rows:
        yield Item(what=what, found=found(find), wanted=wanted)


def found(find: Callable[[], str]) -> str:
    """What it finds, or how it failed, in a line: a library's kernel may raise anything."""
    try:
        text = find()
    except Exception as error:
        text = f"failed: {type(error).__name__}: {error}"
    return " ".join(text.split())[:LONGEST]


def _prefixes(policy: QwenVlaPolicy) -> dict[str, Prefix]:
    robot = policy.processor.embodiment
    learned = policy.runtime.model.config.prefix_steps
    still_NC = np.zeros((robot.horizon - 1, len(robot.action_channels)), np.float32)
    found = {"continued": Prefix(actions_NC=still_NC[:1], committed=1)}
    if learned + 1 < robot.horizon:
        found["guided"] = Prefix(actions_NC=still_NC[: learned + 1], committed=learned + 1)
    return found


def _path(policy: QwenVlaPolicy, prefix: Prefix) -> str:
    """How a pass runs and how long a chunk takes."""
    scene, took_ms = empty_scene(policy.processor.embodiment), []
    for _ in range(20):
        begin_s = time.perf_counter()
        policy.infer(scene, prefix)
        took_ms.append((time.perf_counter() - begin_s) * 1e3)
    why = f" ({policy.runtime.why_eager})" if policy.runtime.why_eager else ""
    return f"{policy.runtime.path}{why}, {np.median(took_ms):.2f} ms"


def _compiled(robot: Embodiment, device: str) -> str:
    policy = QwenVlaPolicy.load(None, robot, device=device, compiled=True)
    policy.warm_up()
    return _path(policy, _prefixes(policy)["continued"])


def graphs(policy: QwenVlaPolicy) -> str:
    """How many passes were captured, in how many pools, and their memory."""
    if policy.runtime.device.type != "cuda":
        return "no graphs"
    held = sum(p.numel() * p.element_size() for p in policy.runtime.model.parameters())
    beside_mib = (torch.cuda.memory_reserved() - held) / 2**20
    pools = pools_of(torch.cuda.memory_snapshot())
    return (
        f"{policy.runtime.prepared} graphs in {pools} pool{'s' * (pools != 1)}, "
        f"{beside_mib:.0f} MiB beside the weights"
    )


def pools_of(segments: Iterable[dict]) -> int:
    """Pools of graphs in use, of the segments that ``torch.cuda.memory_snapshot`` lists."""
    used = (tuple(s["segment_pool_id"]) for s in segments if s["allocated_size"])
    return len({*used} - {(0, 0)})  # that of everything else


def failed_capture(policy: QwenVlaPolicy) -> str:
    """Where chunks come from after a capture in which a layer waited for the device.

    And how far they are from those of a runtime that has captured nothing: the device is sound.
    """
    runtime = policy.runtime
    tried, other = (Runtime(runtime.model) for _ in range(2))
    inputs = policy.prepare_inputs([empty_scene(policy.processor.embodiment)])

    def wait(*_) -> None:
        torch.ones(1, device=runtime.device).item()

    waiting = runtime.model.expert.register_forward_hook(wait)
    try:
        tried.fix(inputs, None)
    finally:
        waiting.remove()
    for one in (tried, other):
        one.reseed(1)
    away = float((tried.chunk(inputs) - other.chunk(inputs)).abs().max())
    return f"{tried.path}, {away:.2g} away: {tried.why_eager or 'no capture failed'}"


def modulated(policy: QwenVlaPolicy) -> str:
    """Tokens that a block modulates by themselves, without a prefix and with one."""
    runtime, counts = policy.runtime, []
    tau_PD = torch.ones(1, 1, device=runtime.device)
    steps = runtime.model.config.horizon
    for clean_PDH in (None, torch.zeros(1, 1, steps, dtype=torch.bool, device=runtime.device)):
        with torch.no_grad():
            pieces = runtime.model.expert.time(tau_PD, clean_PDH).of_block(0, *_tokens(policy))
        counts.append(sum(those[0].shape[2] for _, those in pieces))
    return f"{counts[0]}, behind a prefix {counts[1]}"


def _tokens(policy: QwenVlaPolicy) -> tuple[int, int]:
    """Those of the prompt, and those behind it."""
    processor = policy.processor
    return processor.pad_to or processor.tokens_around, processor.action_tokens


def _fused(policy: QwenVlaPolicy, device: str) -> str:
    """Whether a fused kernel takes the mask of the expert's attention."""
    expert = policy.runtime.model.config.expert
    context, actions = _tokens(policy)
    tokens = context + actions
    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    q = torch.randn(1, expert.heads, actions, expert.head_dim, device=device, dtype=dtype)
    k = torch.randn(1, expert.heads, tokens, expert.head_dim, device=device, dtype=dtype)
    mask = torch.ones(1, 1, 1, tokens, dtype=torch.bool, device=device)
    for backend in (SDPBackend.CUDNN_ATTENTION, SDPBackend.EFFICIENT_ATTENTION):
        try:
            with sdpa_kernel(backend), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of every kernel that does not do it
                F.scaled_dot_product_attention(q, k, k, attn_mask=mask)
            return backend.name.lower()
        except RuntimeError:
            continue
    return "none"


def _prompt_ms(policy: QwenVlaPolicy) -> str:
    processor, took_ms = policy.processor, []
    state_S = np.zeros(len(processor.embodiment.state_channels))
    for _ in range(2):
        begin_s = time.perf_counter()
        processor.tokens("put the small purple cup behind the bowl", state_S)
        took_ms.append((time.perf_counter() - begin_s) * 1e3)
    return f"{took_ms[0]:.2f} ms, then {took_ms[1]:.2f} ms"
