"""What ``checkpoint`` names becomes a policy here: weights, a server's address, or a recording.

The one place of the ROS layer that imports the model, or the client of a remote policy; each only
when it is asked for. Nothing of ROS is needed.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec

if TYPE_CHECKING:
    from qwen_vla_data.replay import ReplayPolicy
    from qwen_vla_model.policy import QwenVlaPolicy
    from qwen_vla_model.precision import Weights
    from qwen_vla_remote.client import RemotePolicy


def is_server(checkpoint: object) -> bool:
    """Whether it is the address of a policy server; nothing is imported to find out."""
    return str(checkpoint).startswith(("ws://", "wss://"))


def is_replay(checkpoint: object) -> bool:
    """Whether it is a recorded episode, which is done again."""
    from qwen_vla_data.sources import is_recorded

    return checkpoint is not None and is_recorded(str(checkpoint))


def load_policy(
    checkpoint: Path | str | None,
    embodiment: Embodiment,
    *,
    device: str = "cpu",
    weights: "Weights | None" = None,
    threads: int = 1,
    deadline_s: float = 1.0,
) -> "QwenVlaPolicy | RemotePolicy | ReplayPolicy":
    """The policy for a robot.

    Args:
        checkpoint: a folder, ``owner/model`` on the hub, ``ws://host:port`` of a server, or a
            recorded episode to replay (a file, or ``folder:7`` of a LeRobot dataset); None for
            the shipped one.
        device, weights, threads: as for ``QwenVlaPolicy.load``; a server has its own.
        deadline_s: an answer of a server that takes longer is given up, s.
    Raises:
        CheckpointError: it is unusable, or was trained for another robot or other numbers.
        RemoteError: the server cannot be reached, or refuses us.
        QwenVlaError: the episode cannot be read, or not be replayed on this robot.
    """
    if is_server(checkpoint):
        from qwen_vla_remote.client import RemotePolicy

        return RemotePolicy(str(checkpoint), embodiment, deadline_s)
    if is_replay(checkpoint):
        from qwen_vla_data.replay import ReplayPolicy
        from qwen_vla_data.sources import find_episode

        source, codec = find_episode(str(checkpoint)), EmbodimentCodec(embodiment)
        return ReplayPolicy(source.load(codec), codec, str(source))
    from qwen_vla_model.policy import QwenVlaPolicy

    return QwenVlaPolicy.load(
        checkpoint, embodiment, device=device, weights=weights, threads=threads
    )
