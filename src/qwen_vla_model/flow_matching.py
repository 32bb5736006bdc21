"""Flow matching (paper section 2.4, equations 1, 2): tau = 1 is noise, tau = 0 the action.

Also the guidance of real-time chunking (arXiv 2506.07339) for networks that were not trained to
continue a prefix; its authors count time the other way round, tau = 1 - t.
"""

import math
from collections.abc import Callable
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat


class SigmoidNormal(BaseModel):
    """tau = sigmoid(z), z ~ N(mean, std): the text-to-action stage's distribution."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["sigmoid_normal"] = "sigmoid_normal"
    mean: float = 0.0
    std: PositiveFloat = 1.0

    def sample(self, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
        z = torch.randn(shape, generator=generator, device=generator.device)
        return torch.sigmoid(self.mean + self.std * z)


class Beta(BaseModel):
    """tau ~ Beta(alpha, beta): mass at the clean end for alpha < beta, as in the later stages."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["beta"] = "beta"
    alpha: PositiveFloat = 1.0
    beta: PositiveFloat = 1.5

    def sample(self, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
        a, b = (
            torch._standard_gamma(
                torch.full(shape, value, device=generator.device), generator=generator
            )
            for value in (self.alpha, self.beta)
        )
        return a / (a + b)


TauDistribution = Annotated[SigmoidNormal | Beta, Field(discriminator="kind")]


def interpolate(actions: torch.Tensor, noise: torch.Tensor, tau: torch.Tensor) -> torch.Tensor:
    """Y_tau = (1 - tau) Y0 + tau Y1; ``tau`` broadcasts over the trailing [H, K]."""
    return torch.lerp(actions, noise, tau[..., None, None])


def masked_loss(
    velocity: torch.Tensor, actions: torch.Tensor, noise: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """Equations (1) and (2): squared error per channel over valid steps, mean over valid channels.

    Args:
        velocity, actions, noise: [P, D, H, K] (D noise draws), or broadcastable to it.
        mask: bool, likewise; true where a step and a channel hold an action to learn from.
    Returns:
        A scalar: the mean over all draws that have a valid channel; 0 where none has.
    """
    mask = mask.to(velocity.dtype)
    squared = (velocity - (noise - actions)).square() * mask
    steps_PDK = mask.sum(2)
    channel_PDK = squared.sum(2) / steps_PDK.clamp(min=1)  # (1)
    channels_PD = (steps_PDK > 0).sum(-1)
    draw_PD = channel_PDK.sum(-1) / channels_PD.clamp(min=1)  # (2)
    counted_PD = (channels_PD > 0).expand_as(draw_PD)
    return draw_PD.sum() / counted_PD.sum().clamp(min=1)


def timesteps(steps: int) -> list[float]:
    """Where ``integrate`` asks for the velocity, from noise towards the action."""
    return [1.0 - i / steps for i in range(steps)]


def integrate(
    velocity_of,
    noise: torch.Tensor,
    steps: int,
    on_step: Callable[[torch.Tensor], object] | None = None,
) -> torch.Tensor:
    """Euler from tau = 1 to 0: Y <- Y - dtau * v(Y, tau).

    Args:
        on_step: called with Y after each step.
    """
    y = noise
    for tau in timesteps(steps):
        y = y - velocity_of(y, tau) / steps
        if on_step is not None:
            on_step(y)
    return y


MAX_GUIDANCE = 5.0
"""Beta of real-time chunking: what its authors' simulated experiments use."""


def soft_mask(committed: int, known: int, steps: int) -> torch.Tensor:
    """How much each step is held to the old chunk, float32 [steps].

    Args:
        committed: steps that will have been executed before the new chunk is there: weight 1.
        known: steps that the old chunk still has, >= committed; beyond the committed ones the
            weight falls exponentially, and it is 0 where the old chunk ends.
        steps: length of the new chunk.
    """
    step = torch.arange(steps)
    linear = ((known - step) / (known - committed + 1)).clamp(0.0, 1.0)
    falling = linear * torch.expm1(linear) / (math.e - 1.0)
    return torch.where(step < committed, 1.0, falling)


def guided(velocity_of, target: torch.Tensor, weight: torch.Tensor):
    """A velocity that also steers the clean estimate Y - tau v towards ``target``.

    Args:
        velocity_of: as ``integrate`` takes it; differentiable in its first argument.
        target: what the old chunk does, broadcastable to the noisy chunk.
        weight: of the squared error at each step and channel, likewise; 0 is free.
    """

    def velocity(y: torch.Tensor, tau: float) -> torch.Tensor:
        with torch.enable_grad():
            y = y.detach().requires_grad_()
            v = velocity_of(y, tau)
            clean = y - tau * v
            error = (weight * (target - clean)).detach()
            (pull,) = torch.autograd.grad(clean, y, error)
        noise, action = tau, 1.0 - tau
        strength = (noise**2 + action**2) / (noise * action) if action > 0.0 else math.inf
        return v.detach() - min(strength, MAX_GUIDANCE) * pull

    return velocity
