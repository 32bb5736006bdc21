"""What ``checkpoint`` names becomes a policy here: weights, a server's address, or a recording.

The one place of the ROS layer that imports the model, or the client of a remote policy; each only
when it is asked for. Nothing of ROS is needed.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec
from qwen_vla_core.errors import CheckpointError

if TYPE_CHECKING:
    from qwen_vla_data.replay import ReplayPolicy
    from qwen_vla_model.policy import QwenVlaPolicy
    from qwen_vla_model.precision import Weights
    from qwen_vla_remote.backend import Adapter
    from qwen_vla_remote.client import RemotePolicy


def is_server(checkpoint: object) -> bool:
    """Whether it is the address of a policy server; nothing is imported to find out."""
    return str(checkpoint).startswith(("ws://", "wss://"))


def is_replay(checkpoint: object) -> bool:
    """Whether it is a recorded episode, which is done again."""
    from qwen_vla_data.sources import is_recorded

    return checkpoint is not None and is_recorded(str(checkpoint))


def check_backend(embodiment: Embodiment, checkpoint: object, backend: str) -> None:
    """Refuse a backend without a server, or one that does not fit the robot; empty is none.

    Raises:
        QwenVlaError: with what is wrong.
    """
    if not backend:
        return
    if not is_server(checkpoint):
        raise CheckpointError(
            f"backend {backend} says how another's server is asked; name it, for example "
            "checkpoint:=ws://gpu-machine:8000"
        )
    _adapter(embodiment, backend)


def _adapter(embodiment: Embodiment, backend: str) -> "Adapter":
    from qwen_vla_remote.backend import Adapter, find_backend, load_backend

    return Adapter(load_backend(find_backend(backend)), embodiment, backend)


def _remote_policy(
    url: str, embodiment: Embodiment, backend: str, deadline_s: float
) -> "RemotePolicy":
    from qwen_vla_remote.backend import in_joint_space
    from qwen_vla_remote.client import RemotePolicy
    from qwen_vla_remote.process import prepare_process

    prepare_process()
    if not backend:
        return RemotePolicy(url, embodiment, deadline_s)
    dialect = _adapter(embodiment, backend)
    return RemotePolicy(url, in_joint_space(embodiment), deadline_s, dialect)


def load_policy(
    checkpoint: Path | str | None,
    embodiment: Embodiment,
    *,
    backend: str = "",
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
        backend: how the server of another's model is asked: a name in config/backends/, or a
            YAML file; empty for a policy of ours.
        device, weights, threads: as for ``QwenVlaPolicy.load``; a server has its own.
        deadline_s: an answer of a server that takes longer is given up, s.
    Raises:
        CheckpointError: it is unusable, or was trained for another robot or other numbers.
        RemoteError: the server cannot be reached, or refuses us.
        QwenVlaError: the episode cannot be read, or not be replayed on this robot.
    """
    check_backend(embodiment, checkpoint, backend)
    if is_server(checkpoint):
        return _remote_policy(str(checkpoint), embodiment, backend, deadline_s)
    if is_replay(checkpoint):
        from qwen_vla_data.replay import ReplayPolicy
        from qwen_vla_data.sources import find_episode

        source, codec = find_episode(str(checkpoint)), EmbodimentCodec(embodiment)
        return ReplayPolicy(source.load(codec), codec, str(source))
    from qwen_vla_model.policy import QwenVlaPolicy

    return QwenVlaPolicy.load(
        checkpoint, embodiment, device=device, weights=weights, threads=threads
    )
