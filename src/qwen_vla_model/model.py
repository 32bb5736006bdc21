"""Qwen-VLA (paper section 2): backbone, action expert, and the flow between noise and actions."""

from dataclasses import dataclass, fields, replace

import torch
from torch import nn

from .action_expert import ActionExpert, Context
from .backbone import Backbone, Grid
from .config import QwenVlaConfig
from .flow_matching import TauDistribution, integrate, interpolate, masked_loss

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
    """

    patches: tuple[torch.Tensor, ...]
    grids: tuple[Grid, ...]
    observation_P: torch.Tensor
    input_ids_PL: torch.Tensor
    mask_PL: torch.Tensor | None
    state_PK: torch.Tensor

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

    def velocity(self, noisy, tau, state_PK, context: Context) -> torch.Tensor:
        """The flow's velocity at ``noisy`` [P, D, H, K] and ``tau`` [P, D], float32."""
        output = self.expert(noisy, tau, state_PK, context).float()
        if self.config.expert.prediction == "velocity":
            return output
        return (noisy - output) / tau.clamp(min=MIN_TAU)[..., None, None]

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

        Args:
            hidden_PLE: what ``read`` returned for ``inputs``, where the caller has it already.
            actions_PHK: normalised chunks, zero where padded.
            mask_PHK: bool, true where a step and a channel hold an action.
        """
        if hidden_PLE is None:
            hidden_PLE = self.read(inputs)
        context = self.context(inputs, hidden_PLE)
        shape = (len(actions_PHK), draws, *actions_PHK.shape[1:])
        noise = torch.randn(shape, generator=generator, device=generator.device)
        tau_PD = tau.sample(shape[:2], generator).clamp(min=MIN_TAU)
        clean = actions_PHK[:, None]
        noisy = interpolate(clean, noise, tau_PD)
        velocity = self.velocity(noisy, tau_PD, inputs.state_PK, context)
        return masked_loss(velocity, clean, noise, mask_PHK)

    @torch.no_grad()
    def predict(self, inputs: Inputs, generator: torch.Generator) -> torch.Tensor:
        """Normalised chunks [P, H, K] by Euler integration from noise."""
        context = self.context(inputs, self.read(inputs))
        P = len(inputs.input_ids_PL)
        shape = (P, 1, self.config.horizon, self.config.channels)
        noise = torch.randn(shape, generator=generator, device=generator.device)

        def velocity_of(y, tau):
            return self.velocity(y, y.new_full((P, 1), tau), inputs.state_PK, context)

        return integrate(velocity_of, noise, self.config.euler_steps)[:, 0]
