"""A policy that drives while its episodes are recorded, loaded once in each process."""

from functools import cache, partial
from pathlib import Path

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_model.checkpoint import checkpoint_digest, load_action_space
from qwen_vla_model.policy import QwenVlaPolicy
from qwen_vla_sim.generate import Driver


def policy_driver(checkpoint: Path, embodiment: Path) -> tuple[Driver, str]:
    """Driver and its name, as ``generate`` takes them.

    Raises:
        QwenVlaError: there is no such checkpoint, or it was not trained for the robot.
    """
    load_action_space(checkpoint, load_embodiment(embodiment))
    return partial(_drive, checkpoint, embodiment), f"checkpoint {checkpoint_digest(checkpoint)}"


def _drive(checkpoint: Path, embodiment: Path, seed: int) -> QwenVlaPolicy:
    policy = _load(checkpoint, embodiment)
    policy.runtime.reseed(seed)
    return policy


@cache
def _load(checkpoint: Path, embodiment: Path) -> QwenVlaPolicy:
    return QwenVlaPolicy.load(checkpoint, load_embodiment(embodiment))
