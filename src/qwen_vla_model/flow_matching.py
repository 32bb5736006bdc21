"""Flow matching (paper section 2.4, equations 1, 2): tau = 1 is noise, tau = 0 the action.

Letters of shapes: P prompts, D noise draws for each, chunks of H steps with K channels.
"""

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
        """Values in (0, 1), float32 of a shape."""
        z = torch.randn(shape, generator=generator, device=generator.device)
        return torch.sigmoid(self.mean + self.std * z)


class Beta(BaseModel):
    """tau ~ Beta(alpha, beta): mass at the clean end for alpha < beta, as in the later stages."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["beta"] = "beta"
    alpha: PositiveFloat = 1.0
    beta: PositiveFloat = 1.5

    def sample(self, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
        """Values in [0, 1], float32 of a shape."""
        a, b = (
            torch._standard_gamma(
                torch.full(shape, value, device=generator.device), generator=generator
            )
            for value in (self.alpha, self.beta)
        )
        return a / (a + b)


TauDistribution = Annotated[SigmoidNormal | Beta, Field(discriminator="kind")]


def interpolate(actions: torch.Tensor, noise: torch.Tensor, tau: torch.Tensor) -> torch.Tensor:
    """Y_tau = (1 - tau) Y0 + tau Y1 [..., H, K], for one ``tau`` [...] each."""
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
