"""Real-time chunking: a chunk goes on from what the robot will have done before it is there.

``detours`` belongs to training with prefixes (arXiv 2512.05964), ``soft_mask`` and ``guided`` to
networks that were not trained so (arXiv 2506.07339; its authors count time as t = 1 - tau).
"""

import math

import torch

RETURN_STEPS = 1.5
"""Time constant of the way back from a detour: shorter than what is left of any chunk."""


def detours(actions_PHK: torch.Tensor, length_PD: torch.Tensor) -> torch.Tensor:
    """What to add to chunks so that each begins as another one and then leads back.

    On a robot the prefix comes from an older chunk, predicted from an older observation. In an
    episode it is what the expert did: a network trained on those alone takes every prefix for
    right, and closes a gripper for the only reason that it has begun to close.

    Args:
        actions_PHK: normalised chunks; each is given the beginning of the one before it.
        length_PD: steps of each draw's prefix; without one there is no detour.
    Returns:
        [P, D, H, K]: the difference during the prefix, and what is left of it from there on, which
        begins to fade slowly: the chunk goes on from where the prefix leads, and does not jump.
    """
    away_P1HK = (actions_PHK.roll(1, dims=0) - actions_PHK)[:, None]
    length = length_PD[..., None, None]
    last = (length - 1).clamp(min=0).expand(-1, -1, 1, actions_PHK.shape[-1])
    end_PD1K = away_P1HK.expand(-1, length_PD.shape[1], -1, -1).gather(2, last)
    reached = torch.arange(1, actions_PHK.shape[1] + 1, device=length.device)[:, None]
    after = (reached - length).clamp(min=0) / RETURN_STEPS
    back = end_PD1K * (1.0 + after) * torch.exp(-after)
    return torch.where(length > 0, torch.where(reached < length, away_P1HK, back), 0.0)


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
