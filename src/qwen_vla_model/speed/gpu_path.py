"""What of the GPU path really happens on this machine, item by item, beside what is wanted."""

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.execution import Prefix
from qwen_vla_core.observation.empty_scene import empty_scene

from ..delta_net import resolved
from ..flow_matching import Beta
from ..policy import QwenVlaPolicy
from .timing import synchronize


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing that was looked at."""

    what: str
    found: str
    wanted: str


def look(robot: Embodiment, device: str, compile_too: bool) -> Iterator[Item]:
    """The shipped policy on a device; takes seconds, and with ``compile_too`` minutes."""
    policy = QwenVlaPolicy.load(None, robot, device=device)
    policy.warm_up()
    yield Item(what="delta rule", found=resolved(), wanted="fla...")
    wanted = "graph" if device.startswith("cuda") else "traced"
    for kind, prefix in _prefixes(policy).items():
        yield Item(what=f"{kind} pass", found=_path(policy, prefix), wanted=wanted)
    yield Item(
        what="attention under a mask", found=_fused(policy, device), wanted="a fused kernel"
    )
    yield Item(what="waits in a training step", found=_waits(policy, device), wanted="0")
    first_ms, again_ms = _prompt_ms(policy)
    yield Item(
        what="tokens of a prompt",
        found=f"{first_ms:.2f} ms, then {again_ms:.2f} ms",
        wanted="the second time nothing",
    )
    if device.startswith("cuda"):
        held = sum(p.numel() * p.element_size() for p in policy.runtime.model.parameters())
        yield Item(
            what="memory beside the weights, all graphs in one pool",
            found=f"{(torch.cuda.memory_reserved() - held) / 2**20:.0f} MiB",
            wanted="that of one pass",
        )
    if compile_too:
        compiled = QwenVlaPolicy.load(None, robot, device=device, compiled=True)
        compiled.warm_up()
        found = _path(compiled, _prefixes(compiled)["continued"])
        yield Item(what="compiled pass", found=found, wanted=wanted)


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


def _fused(policy: QwenVlaPolicy, device: str) -> str:
    """Whether a fused kernel takes the mask of the expert's attention."""
    processor, expert = policy.processor, policy.runtime.model.config.expert
    actions = processor.action_tokens
    tokens = (processor.pad_to or processor.tokens_around) + actions
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


def _waits(policy: QwenVlaPolicy, device: str) -> str:
    """How often the host waits for the device in the action loss and its backward pass."""
    model = policy.runtime.model
    inputs = policy.prepare_inputs([empty_scene(policy.processor.embodiment)])
    actions = torch.zeros(inputs.valid_PHK.shape)
    generator = torch.Generator(device).manual_seed(0)
    for parameter in model.expert.action_out.parameters():
        parameter.requires_grad_(True)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if device.startswith("cuda"):
                torch.cuda.set_sync_debug_mode("warn")
            loss = model.loss(
                inputs.to(device),
                actions.to(device, non_blocking=True),
                inputs.valid_PHK.to(device, non_blocking=True),
                draws=2,
                tau=Beta(),
                generator=generator,
            )
            loss.backward()
        return str(sum("synchroniz" in str(warning.message) for warning in caught))
    finally:
        if device.startswith("cuda"):
            torch.cuda.set_sync_debug_mode("default")
        synchronize(torch.device(device))
        model.zero_grad()
        model.requires_grad_(False)


def _prompt_ms(policy: QwenVlaPolicy) -> tuple[float, float]:
    processor, took_ms = policy.processor, []
    state_S = np.zeros(len(processor.embodiment.state_channels))
    for _ in range(2):
        begin_s = time.perf_counter()
        processor.tokens("put the small purple cup behind the bowl", state_S)
        took_ms.append((time.perf_counter() - begin_s) * 1e3)
    return took_ms[0], took_ms[1]
