"""Qwen-VLA (paper section 2): backbone, action expert, and the flow between noise and actions."""

from dataclasses import dataclass, fields, replace

import torch
from torch import nn

from .action_expert import ActionExpert, Context
from .backbone import Backbone, Grid
from .config import QwenVlaConfig
from .flow_matching import TauDistribution, guided, integrate, interpolate, masked_loss

MIN_TAU = 0.05
"""Below this (Y_tau - Y0) / tau divides by too little; Euler's last step is at 1 / steps."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What the model sees. P prompts over O observations of V views; P = O unless shared.

    Attributes:
        patches: for each view, float [O, L_v, patch values].
        grids: for each view, its patches as (rows, columns).
        observation_P: which observation each prompt belongs to.
        input_ids_PL: tokens, padded on the right; views in order, each with its image tokens.
        mask_PL: bool, false on padding; None where nothing is padded.
        state_PK: normalised state, zero-padded to the K channels.
        valid_PHK: bool, the paper's mask M: where the robot has a step and a channel. What lies
            outside is padding. It is zero in the actions, in the noise and all the way between,
            so that nothing that happens there reaches a loss or an action.
    """

    patches: tuple[torch.Tensor, ...]
    grids: tuple[Grid, ...]
    observation_P: torch.Tensor
    input_ids_PL: torch.Tensor
    mask_PL: torch.Tensor | None
    state_PK: torch.Tensor
    valid_PHK: torch.Tensor

    def to(self, device: torch.device | str) -> "Inputs":
        """The same on another device."""
        moved = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, torch.Tensor):
                moved[item.name] = value.to(device)
        return replace(self, patches=tuple(p.to(device) for p in self.patches), **moved)


class QwenVla(nn.Module):
    """The network; names of its parameters: ``backbone.*`` (as in Qwen3.5) and ``expert.*``."""

    def __init__(self, config: QwenVlaConfig):
        super().__init__()
        self.config = config
        self.backbone = Backbone(config.backbone_config())
        self.expert = ActionExpert(config)

    def read(self, inputs: Inputs) -> torch.Tensor:
        """Images and words to the backbone's hidden states [P, L, E]."""
        views = self._encode_views(inputs)
        return self.backbone.encode(
            inputs.input_ids_PL, views[inputs.observation_P], self._positions(inputs)
        )

    def context(self, inputs: Inputs, hidden_PLE: torch.Tensor) -> Context:
        """Hidden states to what the expert attends to."""
        return self.expert.prepare(hidden_PLE, self._positions(inputs), inputs.mask_PL)

    def _positions(self, inputs: Inputs) -> torch.Tensor:
        return self.backbone.positions(inputs.input_ids_PL, inputs.grids)

    def velocity(self, noisy, tau, state_PK, context: Context, clean_PDH=None) -> torch.Tensor:
        """The flow's velocity at ``noisy`` [P, D, H, K] and ``tau`` [P, D], float32.

        It is 0 on the steps of ``clean_PDH``, which are given and stay.
        """
        dtype = context.tokens_PLd.dtype  # the weights' own; the integration stays in float32
        output = self.expert(noisy.to(dtype), tau, state_PK.to(dtype), context, clean_PDH).float()
        if self.config.expert.prediction == "action":
            output = (noisy - output) / tau.clamp(min=MIN_TAU)[..., None, None]
        return output if clean_PDH is None else output.masked_fill(clean_PDH[..., None], 0.0)

    def _encode_views(self, inputs: Inputs) -> torch.Tensor:
        """Image tokens [O, all views, E]; views of one size go through the tower together."""
        tokens = {}
        for grid in set(inputs.grids):
            views = [i for i, g in enumerate(inputs.grids) if g == grid]
            batch = torch.cat([inputs.patches[i] for i in views])
            chunks = self.backbone.encode_images(batch, grid).chunk(len(views))
            tokens.update(zip(views, chunks, strict=True))
        return torch.cat([tokens[i] for i in range(len(inputs.grids))], dim=1)

    def loss(
        self,
        inputs: Inputs,
        actions_PHK: torch.Tensor,
        mask_PHK: torch.Tensor,
        *,
        draws: int,
        tau: TauDistribution,
        generator: torch.Generator,
        hidden_PLE: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The action loss with several noise draws per pass of the backbone.

        Where the configuration has ``prefix_steps``, each draw is given a random number of steps
        from 0 to that many without noise, and learns to continue them (arXiv 2512.05964).

        Args:
            hidden_PLE: what ``read`` returned for ``inputs``, where the caller has it already.
            actions_PHK: normalised chunks.
            mask_PHK: bool, true where a step and a channel hold an action to learn from; what is
                false counts as padding.
        """
        if hidden_PLE is None:
            hidden_PLE = self.read(inputs)
        context = self.context(inputs, hidden_PLE)
        P, H, _ = actions_PHK.shape
        mask = mask_PHK[:, None]
        clean = torch.where(mask, actions_PHK[:, None], 0.0)
        noise = torch.randn(
            P, draws, *actions_PHK.shape[1:], generator=generator, device=generator.device
        )
        noise = torch.where(mask, noise, 0.0)
        tau_PD = tau.sample((P, draws), generator).clamp(min=MIN_TAU)
        noisy = interpolate(clean, noise, tau_PD)
        prefix_PDH = None
        if self.config.prefix_steps:
            longest = self.config.prefix_steps
            length_PD1 = torch.randint(
                longest + 1, (P, draws, 1), generator=generator, device=generator.device
            )
            prefix_PDH = torch.arange(H, device=length_PD1.device) < length_PD1
            noisy = torch.where(prefix_PDH[..., None], clean, noisy)
            mask = mask & ~prefix_PDH[..., None]
        velocity = self.velocity(noisy, tau_PD, inputs.state_PK, context, prefix_PDH)
        return masked_loss(velocity, clean, noise, mask)

    @torch.no_grad()
    def predict(
        self,
        inputs: Inputs,
        generator: torch.Generator,
        prefix_PHK: torch.Tensor | None = None,
        weight_PH: torch.Tensor | None = None,
        *,
        guide: bool = False,
    ) -> torch.Tensor:
        """Normalised chunks [P, H, K] by Euler integration from noise; 0 on padding.

        Args:
            prefix_PHK: what the chunk in use does, wherever ``weight_PH`` is above 0.
            weight_PH: 1 on steps that are committed: they are returned as they are given, and
                continued. None where there is no prefix.
            guide: pull towards the prefix with these weights instead of giving it to the network
                without noise. For networks that were not trained with a prefix (as long).
        """
        context = self.context(inputs, self.read(inputs))
        P, H, K = inputs.valid_PHK.shape
        valid = inputs.valid_PHK[:, None]
        noise = torch.randn(P, 1, H, K, generator=generator, device=generator.device)
        noise, clean_PDH = torch.where(valid, noise, 0.0), None
        if weight_PH is not None:
            prefix = torch.where(valid, prefix_PHK[:, None], 0.0)
            committed_PDH = (weight_PH == 1.0)[:, None]
            if not guide:
                clean_PDH = committed_PDH
                noise = torch.where(clean_PDH[..., None], prefix, noise)

        def velocity_of(y, tau):
            v = self.velocity(y, y.new_full((P, 1), tau), inputs.state_PK, context, clean_PDH)
            return torch.where(valid, v, 0.0)

        if guide:
            velocity_of = guided(velocity_of, prefix, weight_PH[:, None, :, None])
        chunk = integrate(velocity_of, noise, self.config.euler_steps)
        if guide:
            chunk = torch.where(committed_PDH[..., None], prefix, chunk)
        return chunk[:, 0]
