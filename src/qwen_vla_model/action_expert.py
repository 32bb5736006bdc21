"""The action expert (paper section 2.2): a single-stream diffusion transformer (DiT).

Backbone states, a state token where configured, and the noisy action chunk form one sequence;
every block attends over all of it (joint self-attention), is modulated by the timestep (AdaLN)
and rotates by the backbone's multi-section positions, which the action tokens continue.

Letters of shapes: P prompts with L tokens of E channels each, D noise draws for each prompt, H
steps of K channels in a chunk; A tokens, which are the chunk's H and the state's; d channels of
the stream; B is any batch and N any number of tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers.models.qwen3_5.modeling_qwen3_5 import Qwen3_5TextRotaryEmbedding

from .attention import attend, rotate
from .config import TIMESTEP_DIMS, QwenVlaConfig

TIMESTEP_SCALE = 1000.0  # tau in [0, 1] to the range that diffusion timesteps have


Modulated = tuple[int, tuple[torch.Tensor, ...]]
"""How many tokens, and their modulations: six of a block, two of the output."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the expert keeps of a prompt while it integrates.

    Attributes:
        tokens_PLd: projected backbone states.
        rope: cosines and sines [P, L, rotary] of the context's positions.
        action_rope: those of the state token and the actions, which continue the prompt's.
        mask_PL: bool, false on padding; None where nothing is padded.
        cache: keys and values [P, heads, L, head_dim] of each block; empty for ``joint``.
    """

    tokens_PLd: torch.Tensor
    rope: tuple[torch.Tensor, torch.Tensor]
    action_rope: tuple[torch.Tensor, torch.Tensor]
    mask_PL: torch.Tensor | None
    cache: tuple[tuple[torch.Tensor, torch.Tensor], ...]

    def tensors(self) -> tuple[torch.Tensor, ...]:
        """All of them but the mask, for ``of_tensors``."""
        pairs = (self.rope, self.action_rope, *self.cache)
        return (self.tokens_PLd, *(tensor for pair in pairs for tensor in pair))

    @classmethod
    def of_tensors(cls, tensors: Sequence[torch.Tensor]) -> "Context":
        """The inverse of ``tensors``, where nothing is padded."""
        tokens, *rest = tensors
        rope, action_rope, *cache = zip(rest[::2], rest[1::2], strict=True)
        return cls(
            tokens_PLd=tokens,
            rope=rope,
            action_rope=action_rope,
            mask_PL=None,
            cache=tuple(cache),
        )


@dataclass(frozen=True, kw_only=True)
class Time:
    """What the blocks do with the timestep of every token: a draw has one, its clean steps 0.

    Attributes:
        tau_PD: timestep of each draw; 1 is noise.
        modulations: side by side [P, D, 1, ...] six of each block and two of the output, scales
            with their 1; or [P, D, 2, ...] with those of timestep 0 as the second.
        width: of one of them, d.
        clean_PDH: bool, steps given without noise; None for none.
        of_actions: what ``spread`` adds.
    """

    tau_PD: torch.Tensor
    modulations: torch.Tensor
    width: int
    clean_PDH: torch.Tensor | None
    of_actions: torch.Tensor | None = None

    def spread(self, actions: int) -> "Time":
        """With the modulations of each of these action tokens for all blocks at once.

        Fewer operations, for a chunk without gradients; those of a training's batch would take
        gigabytes.
        """
        if self.clean_PDH is None:
            return self
        return replace(self, of_actions=self._of_actions(self.modulations, actions))

    def _of_actions(self, modulations: torch.Tensor, actions: int) -> torch.Tensor:
        clean = F.pad(self.clean_PDH, (actions - self.clean_PDH.shape[-1], 0))
        which = torch.stack([~clean, clean], dim=-1).to(modulations.dtype)
        return which @ modulations  # as torch.where, whose gradient takes three times as long

    def of_block(self, block: int, context: int, actions: int) -> "list[Modulated]":
        """What a block does with its tokens, in pieces that follow one another.

        Only steps of a chunk can be clean: the context has one token's worth of modulations, and
        so has all where nothing is clean. Of one block at a time, because those of all tokens and
        all blocks would take gigabytes.

        Args:
            block: its number; one more than the last for the output.
            context, actions: how many tokens there are of either, in this order; actions with the
                state's.
        """
        six = slice(6 * block * self.width, 6 * (block + 1) * self.width)

        def pieces(modulations: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return modulations.chunk(modulations.shape[-1] // self.width, dim=-1)

        if self.clean_PDH is None:
            return [(context + actions, pieces(self.modulations[:, :, :1, six]))]
        if self.of_actions is None:
            of_actions = self._of_actions(self.modulations[..., six], actions)
        else:
            of_actions = self.of_actions[..., six]
        if not context:
            return [(actions, pieces(of_actions))]
        one = self.modulations[:, :, :1, six]
        return [(context, pieces(one)), (actions, pieces(of_actions))]


class Block(nn.Module):
    """AdaLN, joint attention, SwiGLU. At the published width: 70.8 M parameters.

    Queries and keys are normalised, as in the backbone; the paper says nothing of it.
    """

    def __init__(self, width: int, heads: int, head_dim: int, mlp_hidden: int):
        super().__init__()
        self.heads = heads
        self.modulation = nn.Linear(width, 6 * width)
        self.norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.qkv = nn.Linear(width, 3 * heads * head_dim)
        self.q_norm, self.k_norm = nn.RMSNorm(head_dim), nn.RMSNorm(head_dim)
        self.out = nn.Linear(heads * head_dim, width)
        self.gate_up = nn.Linear(width, 2 * mlp_hidden, bias=False)
        self.down = nn.Linear(mlp_hidden, width, bias=False)

    def project(self, x_BNd: torch.Tensor, rope) -> tuple[torch.Tensor, ...]:
        """Rotated queries, keys, and values, each [B, heads, N, head_dim]."""
        qkv = self.qkv(x_BNd).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        weights = torch.stack([self.q_norm.weight, self.k_norm.weight])[:, None, None, None]
        q, k = rotate(F.rms_norm(qkv[:2], self.q_norm.normalized_shape) * weights, rope)
        return q, k, qkv[2]

    def attend(self, q, k, v, mask=None) -> torch.Tensor:
        """Attention and its output projection, [B, N, d]."""
        return self.out(attend(q, k, v, mask).transpose(1, 2).flatten(2))

    def mlp(self, x: torch.Tensor) -> torch.Tensor:
        """SwiGLU on the last axis, [..., d]."""
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * up)

    def read(self, x: torch.Tensor, rope, mask, last: bool) -> tuple[torch.Tensor, ...]:
        """The context by itself: what the next block reads, and the keys and values of it.

        Args:
            last: nothing reads it any more, so that only keys and values are needed.
        """
        q, k, v = self.project(self.norm(x), rope)
        if not last:
            x = x + self.attend(q, k, v, mask)
            x = x + self.mlp(self.norm(x))
        return x, k, v

    def forward(self, x: torch.Tensor, pieces: list[Modulated], attention) -> torch.Tensor:
        """One DiT block with AdaLN's six modulations, [P, D, tokens, d].

        Args:
            attention: of the modulated tokens, what comes back to them.
        """
        y = attention(self, _scaled(self.norm(x), pieces, 0))
        x = _gated(x, y, pieces, 2)
        y = self.mlp(_scaled(self.norm(x), pieces, 3))
        return _gated(x, y, pieces, 5)


class ActionExpert(nn.Module):
    """Predicts the velocity of a noisy chunk given the prompt and the timestep.

    Attributes:
        recompute: compute the blocks' activations again in the backward pass instead of keeping
            them (gradient checkpointing).
    """

    def __init__(self, config: QwenVlaConfig):
        super().__init__()
        shape, K, d = config.expert, config.channels, config.expert.width
        self.recompute = False
        text = config.backbone_config().text_config
        self.context = shape.context
        self.horizon = config.horizon
        self.rotary = Qwen3_5TextRotaryEmbedding(text)
        self.context_in = nn.Linear(text.hidden_size, d)
        self.action_in = nn.Sequential(nn.Linear(K, d), nn.SiLU(), nn.Linear(d, d))
        self.action_out = nn.Sequential(nn.Linear(d, d), nn.SiLU(), nn.Linear(d, K))
        self.state_in = nn.Linear(K, d) if shape.proprioception == "expert" else None
        self.time_in = nn.Sequential(nn.Linear(TIMESTEP_DIMS, d), nn.SiLU(), nn.Linear(d, d))
        self.blocks = nn.ModuleList(
            Block(d, shape.heads, shape.head_dim, shape.mlp_hidden) for _ in range(shape.blocks)
        )
        self.norm_out = nn.LayerNorm(d, eps=1e-6, elementwise_affine=False)
        self.modulation_out = nn.Linear(d, 2 * d)
        for layer in (*(block.modulation for block in self.blocks), self.modulation_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        for block in self.blocks:  # starts as a plain transformer: no shift, no scale, open gates
            for gate in (2, 5):
                nn.init.ones_(block.modulation.bias[gate * d : (gate + 1) * d])

    def prepare(self, hidden_PLE, positions_3PL, mask_PL=None, steps=None) -> Context:
        """Project the prompt and, for ``cached``, run it through the blocks by itself.

        Args:
            hidden_PLE: backbone states. positions_3PL: their multi-section positions.
            mask_PL: bool, false on padding, or None.
            steps: of the sequences that will be asked for; None for chunks.
        """
        x = self.context_in(hidden_PLE)
        rope = self.rotary(x, positions_3PL)
        real_3PL = positions_3PL if mask_PL is None else positions_3PL * mask_PL
        tokens = (steps or self.horizon) + (self.state_in is not None)
        after_P = real_3PL.amax((0, 2)) + 1
        actions_PA = after_P[:, None] + torch.arange(tokens, device=x.device)
        cache = []
        if self.context == "cached":
            attend = None if mask_PL is None else mask_PL[:, None, None]
            stream = x
            for i, block in enumerate(self.blocks):
                stream, *keys_values = block.read(stream, rope, attend, i + 1 == len(self.blocks))
                cache.append(tuple(keys_values))
        return Context(
            tokens_PLd=x,
            rope=rope,
            action_rope=self.rotary(x, actions_PA.expand(3, -1, -1)),
            mask_PL=mask_PL,
            cache=tuple(cache),
        )

    def time(self, tau_PD: torch.Tensor, clean_PDH: torch.Tensor | None = None) -> Time:
        """Everything that depends on the timestep alone."""
        tau = tau_PD[..., None]
        if clean_PDH is not None:
            tau = torch.cat([tau, torch.zeros_like(tau)], dim=-1)
        embedded = timestep_embedding(tau).to(self.time_in[0].weight.dtype)
        embedded = F.silu(self.time_in(embedded))
        layers = (*(block.modulation for block in self.blocks), self.modulation_out)
        modulations = torch.cat([layer(embedded) for layer in layers], dim=-1)
        one = torch.tensor([0, 1, 0, 0, 1, 0] * len(self.blocks) + [0, 1], device=tau.device)
        modulations = modulations.unflatten(-1, (len(one), -1)) + one[:, None]
        return Time(
            tau_PD=tau_PD,
            modulations=modulations.flatten(-2),
            width=modulations.shape[-1],
            clean_PDH=clean_PDH,
        )

    def forward(self, noisy_PDHK, time: Time, state_PK, context: Context) -> torch.Tensor:
        """Output [P, D, H, K] for D noise draws per prompt, which do not see each other.

        Args:
            state_PK: normalised state, read when there is a state token.
        """
        P, D, H, _ = noisy_PDHK.shape
        x = self.action_in(noisy_PDHK)
        if self.state_in is not None:
            x = torch.cat([self.state_in(state_PK)[:, None, None].expand(-1, D, 1, -1), x], dim=2)
        A = x.shape[2]
        if D == 1 and not torch.is_grad_enabled():
            time = time.spread(A)
        stream = self._cached if self.context == "cached" else self._joint
        x = stream(x, time, context)
        pieces = time.of_block(len(self.blocks), 0, A)
        return self.action_out(_scaled(self.norm_out(x), pieces, 0)[:, :, -H:])

    def _cached(self, x, time: Time, context: Context) -> torch.Tensor:
        """Action tokens [P, D, A, d] against the cached context; draws share one sequence."""
        P, D, A, _ = x.shape
        rope = context.action_rope
        if D > 1:
            rope = tuple(t.repeat(1, D, 1) for t in rope)
        mask = self._draw_mask(D, A, context, x.device)

        def attention(block, y, cache):
            q, k, v = block.project(y.flatten(1, 2), rope)
            k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
            return block.attend(q, k, v, mask).unflatten(1, (D, A))

        for i, (block, cache) in enumerate(zip(self.blocks, context.cache, strict=True)):
            x = self._run(
                block, x, partial(time.of_block, i, 0, A), partial(attention, cache=cache)
            )
        return x

    def _run(self, block: Block, x: torch.Tensor, pieces, attention) -> torch.Tensor:
        """A block; where ``recompute`` is set, its activations are computed again backwards."""
        if not (self.recompute and torch.is_grad_enabled()):
            return block(x, pieces(), attention)
        return checkpoint(lambda x: block(x, pieces(), attention), x, use_reentrant=False)

    @staticmethod
    def _draw_mask(D, A, context: Context, device) -> torch.Tensor | None:
        """Bool, broadcasts to [P, 1, D * A, L + D * A]: the real context, and one's own draw."""
        if D == 1:
            return _with_actions(context.mask_PL, A)
        L = context.tokens_PLd.shape[1]
        draw = torch.arange(D, device=device).repeat_interleave(A)
        own = (draw[:, None] == draw)[None, None]
        if context.mask_PL is None:
            seen = torch.ones(1, 1, D * A, L, dtype=torch.bool, device=device)
        else:
            seen = context.mask_PL[:, None, None].expand(-1, 1, D * A, -1)
        return torch.cat([seen, own.expand(len(seen), -1, -1, -1)], dim=-1)

    def _joint(self, x, time: Time, context: Context) -> torch.Tensor:
        """Action tokens, behind the context in one modulated sequence per draw."""
        P, D, A, _ = x.shape
        x = torch.cat([context.tokens_PLd[:, None].expand(-1, D, -1, -1), x], dim=2)
        rope = tuple(
            torch.cat(pair, dim=1).repeat_interleave(D, 0)
            for pair in zip(context.rope, context.action_rope, strict=True)
        )
        mask = _with_actions(context.mask_PL, A)
        if mask is not None:
            mask = mask.repeat_interleave(D, 0)

        def attention(block, y):
            return block.attend(*block.project(y.flatten(0, 1), rope), mask).unflatten(0, (P, D))

        L = x.shape[2] - A
        for i, block in enumerate(self.blocks):
            x = self._run(block, x, partial(time.of_block, i, L, A), attention)
        return x[:, :, L:]


def _scaled(x: torch.Tensor, pieces: list[Modulated], at: int) -> torch.Tensor:
    """Shift and scale of tokens [P, D, tokens, d]: modulations ``at`` and the next."""
    parts = x.split([count for count, _ in pieces], dim=2) if len(pieces) > 1 else [x]
    done = [
        torch.addcmul(those[at], part, those[at + 1])
        for part, (_, those) in zip(parts, pieces, strict=True)
    ]
    return torch.cat(done, dim=2) if len(done) > 1 else done[0]


def _gated(x: torch.Tensor, y: torch.Tensor, pieces: list[Modulated], at: int) -> torch.Tensor:
    """``x`` with as much of ``y`` as the gate lets through."""
    if len(pieces) == 1:
        return torch.addcmul(x, pieces[0][1][at], y)
    sizes = [count for count, _ in pieces]
    parts = zip(x.split(sizes, dim=2), y.split(sizes, dim=2), pieces, strict=True)
    return torch.cat([torch.addcmul(a, those[at], b) for a, b, (_, those) in parts], dim=2)


def _with_actions(mask_PL: torch.Tensor | None, A: int) -> torch.Tensor | None:
    """Bool [P, 1, 1, L + A]: what may be attended to, the real context and A action tokens."""
    return None if mask_PL is None else F.pad(mask_PL, (0, A), value=True)[:, None, None]


def timestep_embedding(tau: torch.Tensor) -> torch.Tensor:
    """Sinusoids of the timestep, float32 [..., 256]."""
    half = TIMESTEP_DIMS // 2
    rates = torch.exp(
        -torch.arange(half, device=tau.device) * (torch.log(torch.tensor(1e4)) / half)
    )
    angles = tau[..., None].float() * TIMESTEP_SCALE * rates
    return torch.cat([angles.cos(), angles.sin()], dim=-1)
