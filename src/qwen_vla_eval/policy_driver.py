"""A policy that drives while its episodes are recorded, loaded once in each process."""

from functools import cache, partial
from pathlib import Path

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.policy import Policy
from qwen_vla_ros.load_policy import is_ours, load_policy
from qwen_vla_sim.generate import Driver

SERVER_S = 30.0
"""How long an answer of a server may take: simulated time waits for it."""


def policy_driver(checkpoint: Path | str, embodiment: Path) -> tuple[Driver, str]:
    """Driver and its name, as ``generate`` takes them.

    Raises:
        QwenVlaError: there is no such checkpoint, or it was not trained for the robot.
    """
    name = str(checkpoint)
    if is_ours(checkpoint):
        from qwen_vla_model.trained_robots import checkpoint_digest, load_action_space

        load_action_space(checkpoint, load_embodiment(embodiment))
        name = f"checkpoint {checkpoint_digest(checkpoint)}"
    return partial(_drive, checkpoint, embodiment), name


def _drive(checkpoint: Path | str, embodiment: Path, seed: int) -> Policy:
    policy = _load(checkpoint, embodiment)
    policy.reseed(seed)
    return policy


@cache
def _load(checkpoint: Path | str, embodiment: Path) -> Policy:
    policy = load_policy(checkpoint, load_embodiment(embodiment), deadline_s=SERVER_S)
    policy.warm_up()
    return policy
