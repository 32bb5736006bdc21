"""What goes on inside a policy, for people: no robot needs it."""

from collections.abc import Sequence

import numpy as np
import torch

from qwen_vla_core.types import Observation

from .policy import QwenVlaPolicy


def predictions(
    policy: QwenVlaPolicy, observations: Sequence[Observation], seed: int = 0
) -> np.ndarray:
    """What the network predicts of each observation, all from the same noise.

    So they differ by what is seen and said alone.

    Args:
        observations: with images of the same cameras.
        seed: of the noise.
    Returns:
        float64 [N, H, C], counted from the chunk's start (``ActionSpace``).
    """
    return _denoise(policy, observations, seed)[-1]


def denoising(policy: QwenVlaPolicy, observation: Observation, seed: int = 0) -> np.ndarray:
    """A chunk after each denoising step: normalised actions [steps + 1, H, C] in [-1, 1].

    The first is the noise itself and the last what ``infer`` returns from that noise. Between
    them stands what the robot would do if the integration ended there.
    """
    still_C = policy.processor.codec.still(observation.commanded_D)
    encoded_SHC = _denoise(policy, [observation], seed)[:, 0]
    return np.clip(policy.space.decode(encoded_SHC, still_C), -1.0, 1.0)


def _denoise(policy: QwenVlaPolicy, observations: Sequence[Observation], seed: int) -> np.ndarray:
    """Noise, and the chunks after each step: [steps + 1, N, H, C]."""
    runtime = policy.runtime
    inputs = policy.prepare_inputs(observations).to(runtime.device)
    generator = torch.Generator(runtime.device).manual_seed(seed)
    noise = torch.randn(inputs.valid_PHK[:1].shape, generator=generator, device=runtime.device)
    noise = noise.expand(len(observations), -1, -1)
    chunks = [noise]
    runtime.model.denoise(inputs, noise, on_step=lambda y: chunks.append(y[:, 0]))
    return np.stack([policy.processor.take_actions(chunk) for chunk in chunks])
