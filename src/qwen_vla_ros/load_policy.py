"""What ``checkpoint`` names becomes a policy here: weights on this machine, or a server's address.

The one place of the ROS layer that imports the model, or the client of a remote policy; each only
when it is asked for. Nothing of ROS is needed.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from qwen_vla_core.embodiment import Embodiment

if TYPE_CHECKING:
    from qwen_vla_model.policy import QwenVlaPolicy
    from qwen_vla_model.precision import Weights
    from qwen_vla_remote.client import RemotePolicy


def is_server(checkpoint: object) -> bool:
    """Whether it is the address of a policy server; nothing is imported to find out."""
    return str(checkpoint).startswith(("ws://", "wss://"))


def load_policy(
    checkpoint: Path | str | None,
    embodiment: Embodiment,
    *,
    device: str = "cpu",
    weights: "Weights | None" = None,
    threads: int = 1,
    deadline_s: float = 1.0,
) -> "QwenVlaPolicy | RemotePolicy":
    """The policy for a robot.

    Args:
        checkpoint: a folder, ``owner/model`` on the hub, or ``ws://host:port`` of a
            server; None for the shipped one.
        device, weights, threads: as for ``QwenVlaPolicy.load``; a server has its own.
        deadline_s: an answer of a server that takes longer is given up, s.
    Raises:
        CheckpointError: it is unusable, or was trained for another robot or other numbers.
        RemoteError: the server cannot be reached, or refuses us.
    """
    if is_server(checkpoint):
        from qwen_vla_remote.client import RemotePolicy

        return RemotePolicy(str(checkpoint), embodiment, deadline_s)
    from qwen_vla_model.policy import QwenVlaPolicy

    return QwenVlaPolicy.load(
        checkpoint, embodiment, device=device, weights=weights, threads=threads
    )
