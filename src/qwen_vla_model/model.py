"""Qwen-VLA (paper section 2): backbone, action expert, and the flow between noise and actions.

Letters of shapes: O observations, P prompts of L tokens with E channels each, D noise draws for
each prompt, chunks of H steps with K channels.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, fields, replace

import torch
from torch import nn

from .action_expert import ActionExpert, Context, Time
from .backbone import Backbone, Grid
from .config import QwenVlaConfig
from .flow_matching import (
    TauDistribution,
    integrate,
    interpolate,
    masked_loss,
    timesteps,
)
from .real_time_chunking import detours, guided

MIN_TAU = 0.05
"""Below this (Y_tau - Y0) / tau divides by too little; Euler's last step is at 1 / steps. Who
predicts velocities divides by nothing and learns at any tau."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What the model sees. P prompts over O observations of V views; P = O unless shared.

    Attributes:
        patches: for each view, float [O, L_v, patch values].
        grids: for each view, its patches as (rows, columns).
        image_at: where in the prompts the image tokens stand, the same in all of them.
        observation_P: which observation each prompt belongs to.
        input_ids_PL: tokens, padded on the right; views in order, each with its image tokens.
        mask_PL: bool, false on padding; None where nothing is padded.
        state_PK: normalised state, zero-padded to the K channels.
        valid_PHK: bool, the paper's mask M: where the robot has a step and a channel. What lies
            outside is padding. It is zero in the actions, in the noise and all the way between,
            so that nothing that happens there reaches a loss or an action.
        positions_3PL: the tokens' multi-section positions (``QwenVla.positions``), where they
            have to be an input, of a traced pass; else None.
    """

    patches: tuple[torch.Tensor, ...]
    grids: tuple[Grid, ...]
    image_at: tuple[int, ...]
    observation_P: torch.Tensor
    input_ids_PL: torch.Tensor
    mask_PL: torch.Tensor | None
    state_PK: torch.Tensor
    valid_PHK: torch.Tensor
    positions_3PL: torch.Tensor | None = None

    def to(self, device: torch.device | str) -> "Inputs":
        """The same on another device."""
        return self.map(lambda tensor: tensor.to(device, non_blocking=True))

    def map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "Inputs":
        """The same with every tensor changed, in the order of ``tensors``."""
        patches = tuple(map(change, self.patches))
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        changed = {k: change(v) for k, v in values.items() if isinstance(v, torch.Tensor)}
        return replace(self, patches=patches, **changed)

    def tensors(self) -> list[torch.Tensor]:
        """All of them, in a fixed order."""
        values = (getattr(self, item.name) for item in fields(self))
        return [*self.patches, *(v for v in values if isinstance(v, torch.Tensor))]


class QwenVla(nn.Module):
    """The network; names of its parameters: ``backbone.*`` (as in Qwen3.5) and ``expert.*``."""

    def __init__(self, config: QwenVlaConfig):
        super().__init__()
        self.config = config
        self.backbone = Backbone(deepcopy(config.backbone_config()))  # it notes its own there
        self.expert = ActionExpert(config)

    def read(self, inputs: Inputs) -> torch.Tensor:
        """Images and words to the backbone's hidden states [P, L, E]."""
        return self.encode(inputs, self.encode_views(inputs))

    def encode_views(self, inputs: Inputs) -> torch.Tensor:
        """Image tokens [O, all views, E]; views of one size go through the tower together."""
        if not inputs.grids:  # language-to-action pretraining
            words = self.backbone.language_model.embed_tokens.weight
            return words.new_zeros(len(inputs.observation_P), 0, words.shape[1])
        tokens = {}
        for grid in set(inputs.grids):
            views = [i for i, g in enumerate(inputs.grids) if g == grid]
            batch = torch.cat([inputs.patches[i] for i in views])
            chunks = self.backbone.encode_images(batch, grid).chunk(len(views))
            tokens.update(zip(views, chunks, strict=True))
        return torch.cat([tokens[i] for i in range(len(inputs.grids))], dim=1)

    def encode(self, inputs: Inputs, views_OIE: torch.Tensor) -> torch.Tensor:
        """Image tokens and words to hidden states [P, L, E]."""
        return self.backbone.encode(
            inputs.input_ids_PL,
            views_OIE[inputs.observation_P],
            inputs.image_at,
            self.positions(inputs),
        )

    def context(self, inputs: Inputs, hidden_PLE: torch.Tensor) -> Context:
        """Hidden states to what the expert attends to."""
        steps = int(inputs.valid_PHK.shape[1])
        return self.expert.prepare(hidden_PLE, self.positions(inputs), inputs.mask_PL, steps)

    def positions(self, inputs: Inputs) -> torch.Tensor:
        """Multi-section positions of the prompts' tokens [3, P, L]."""
        if inputs.positions_3PL is not None:
            return inputs.positions_3PL
        ids_PL = inputs.input_ids_PL
        return self.backbone.positions(*ids_PL.shape, inputs.image_at, inputs.grids, ids_PL.device)

    def velocity(self, noisy, time: Time, state_PK, context: Context) -> torch.Tensor:
        """The flow's velocity at ``noisy`` [P, D, H, K], float32; 0 on clean steps, which stay."""
        dtype = context.tokens_PLd.dtype  # the weights' own; the integration stays in float32
        output = self.expert(noisy.to(dtype), time, state_PK.to(dtype), context).float()
        if self.config.expert.prediction == "action":
            output = (noisy - output) / time.tau_PD.clamp(min=MIN_TAU)[..., None, None]
        if time.clean_PDH is None:
            return output
        return output.masked_fill(time.clean_PDH[..., None], 0.0)

    def loss(
        self,
        inputs: Inputs,
        actions_PHK: torch.Tensor,
        mask_PHK: torch.Tensor,
        *,
        draws: int,
        tau: TauDistribution,
        generator: torch.Generator,
        prefix_detour: float = 0.0,
        hidden_PLE: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The action loss with several noise draws per pass of the backbone.

        Where the configuration has ``prefix_steps``, each draw is given a random number of steps
        from 0 to that many without noise, and learns to continue them (arXiv 2512.05964).

        Args:
            prefix_detour: how often a prefix takes one of the ``detours``.
            hidden_PLE: what ``read`` returned for ``inputs``, where the caller has it already.
            actions_PHK: normalised chunks.
            mask_PHK: bool, true where a step and a channel hold an action to learn from; what is
                false counts as padding.
        """
        if hidden_PLE is None:
            hidden_PLE = self.read(inputs)
        context = self.context(inputs, hidden_PLE)
        P, H, K = actions_PHK.shape
        mask, clean, prefix_PDH = mask_PHK[:, None], actions_PHK[:, None], None
        if longest := self.config.prefix_steps:
            length_PD = torch.randint(
                longest + 1, (P, draws), generator=generator, device=generator.device
            )
            prefix_PDH = torch.arange(H, device=length_PD.device) < length_PD[..., None]
            strays_PD = torch.rand(P, draws, generator=generator, device=generator.device)
            strays_PD = strays_PD < prefix_detour
            clean = clean + detours(actions_PHK, length_PD) * strays_PD[..., None, None]
        clean = torch.where(mask, clean, 0.0)
        noise = torch.randn(P, draws, H, K, generator=generator, device=generator.device)
        noise = torch.where(mask, noise, 0.0)
        tau_PD = tau.sample((P, draws), generator)
        if self.config.expert.prediction == "action":
            tau_PD = tau_PD.clamp(min=MIN_TAU)
        noisy = interpolate(clean, noise, tau_PD)
        if prefix_PDH is not None:
            noisy = torch.where(prefix_PDH[..., None], clean, noisy)
            mask = mask & ~prefix_PDH[..., None]
        time = self.expert.time(tau_PD, prefix_PDH)
        velocity = self.velocity(noisy, time, inputs.state_PK, context)
        return masked_loss(velocity, clean, noise, mask)

    def schedule(self) -> dict[float, Time]:
        """The timesteps of the integration, for any number of prompts, also with clean steps."""
        device = self.expert.context_in.weight.device
        clean = torch.zeros(1, 1, self.config.horizon, dtype=torch.bool, device=device)
        return {
            tau: self.expert.time(torch.full((1, 1), tau, device=device), clean)
            for tau in timesteps(self.config.euler_steps)
        }

    def predict(
        self,
        inputs: Inputs,
        generator: torch.Generator,
        *prefix: torch.Tensor,
        guide: bool = False,
    ) -> torch.Tensor:
        """Normalised chunks [P, H, K]; 0 on padding.

        Args:
            generator: of the noise that they start from.
            prefix, guide: the prefix and its weights as ``denoise`` takes them, or nothing.
        """
        shape = inputs.valid_PHK.shape
        noise = torch.randn(shape, generator=generator, device=generator.device)
        return self.denoise(inputs, noise, *prefix, guide=guide)

    @torch.no_grad()
    def denoise(
        self,
        inputs: Inputs,
        noise_PHK: torch.Tensor,
        prefix_PHK: torch.Tensor | None = None,
        weight_PH: torch.Tensor | None = None,
        *,
        guide: bool = False,
        schedule: dict[float, Time] | None = None,
        context: Context | None = None,
        velocity: Callable[..., torch.Tensor] | None = None,
        on_step: Callable[[torch.Tensor], object] | None = None,
    ) -> torch.Tensor:
        """Normalised chunks [P, H, K] by Euler integration from ``noise_PHK``; 0 on padding.

        Nothing in it depends on a value: the same shapes make the same kernels.

        Args:
            prefix_PHK: what the chunk in use does, wherever ``weight_PH`` is above 0.
            weight_PH: 1 on steps that are committed: they are returned as they are given, and
                continued. None where there is no prefix.
            guide: pull towards the prefix with these weights instead of giving it to the network
                without noise. For networks that were not trained with a prefix (as long).
            schedule: what ``schedule`` returned, from a caller that knows that the weights are
                still the same.
            context: what ``context`` returned for ``inputs``, where the caller has it already.
            velocity: in the place of ``velocity``, from a caller that computes the same faster.
            on_step: called with the chunks [P, 1, H, K] on their way, after each step.
        """
        context = context or self.context(inputs, self.read(inputs))
        velocity = velocity or self.velocity
        valid = inputs.valid_PHK[:, None]
        start, clean_PDH = torch.where(valid, noise_PHK[:, None], 0.0), None
        if weight_PH is not None:
            prefix = torch.where(valid, prefix_PHK[:, None], 0.0)
            committed_PDH = (weight_PH == 1.0)[:, None]
            if not guide:
                clean_PDH = committed_PDH
                start = torch.where(clean_PDH[..., None], prefix, start)
        times = {
            tau: replace(time, clean_PDH=clean_PDH)
            for tau, time in (schedule or self.schedule()).items()
        }

        def velocity_of(y, tau):
            v = velocity(y, times[tau], inputs.state_PK, context)
            return torch.where(valid, v, 0.0)

        if guide:
            velocity_of = guided(velocity_of, prefix, weight_PH[:, None, :, None])
        chunk = integrate(velocity_of, start, self.config.euler_steps, on_step)
        if guide:
            chunk = torch.where(committed_PDH[..., None], prefix, chunk)
        return chunk[:, 0]
