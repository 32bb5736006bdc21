"""What ``checkpoint`` or ``policy_url`` names becomes a policy here: weights, server, recording.

The one place of the ROS layer that imports the model, or the client of a remote policy; each only
when it is asked for. Nothing of ROS is needed.
"""

import json
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec
from qwen_vla_core.errors import CheckpointError
from qwen_vla_core.policy import HoldPolicy, Policy

if TYPE_CHECKING:
    from qwen_vla_model.precision import Weights
    from qwen_vla_remote.backend import Adapter
    from qwen_vla_remote.client import RemotePolicy

HOLD = "hold"
"""Stands where a checkpoint would: the policy that stays where it is."""
OURS = "qwen_vla"
"""``model_type`` in the config.json of our checkpoints."""
ENTRY_POINTS = "qwen_vla_ros.policies"
"""Group in which a package names the policies that it brings: ``model_type`` -> a function of
(folder, embodiment, device=, weights=, threads=) that returns a ``Policy``."""


def name_policy(checkpoint: str, policy_url: str) -> str:
    """The one of the two that was given, as ``load_policy`` takes it; "" for neither.

    Raises:
        CheckpointError: both were given, or one stands in the place of the other.
    """
    if checkpoint and policy_url:
        raise CheckpointError(
            f"checkpoint ({checkpoint}) and policy_url ({policy_url}) are both given: leave out "
            "one of them, a robot follows one policy"
        )
    if is_server(checkpoint):
        raise CheckpointError(
            f"checkpoint {checkpoint} is the address of a server: give it as policy_url"
        )
    if policy_url and not is_server(policy_url):
        raise CheckpointError(
            f"policy_url {policy_url} is no address such as ws://gpu-machine:8000; a folder or "
            "owner/model is given as checkpoint"
        )
    return policy_url or checkpoint


def is_server(policy: object) -> bool:
    """Whether it is the address of a policy server; nothing is imported to find out."""
    return str(policy).startswith(("ws://", "wss://"))


def is_replay(checkpoint: object) -> bool:
    """Whether it is a recorded episode, which is done again."""
    from qwen_vla_data.sources import is_recorded

    return checkpoint is not None and is_recorded(str(checkpoint))


def somebodys(checkpoint: object) -> EntryPoint | None:
    """Who loads a checkpoint whose description says that it is none of ours; None for ours.

    Raises:
        CheckpointError: no installed package has such a policy.
    """
    file = Path(str(checkpoint)) / "config.json"
    if checkpoint is None or not file.is_file():
        return None
    try:
        kind = json.loads(file.read_text()).get("model_type", OURS)
    except (OSError, ValueError, AttributeError):
        return None  # said in words by whoever reads ours
    if kind == OURS:
        return None
    installed = entry_points(group=ENTRY_POINTS)
    found = next((entry for entry in installed if entry.name == kind), None)
    if found is None:
        raise CheckpointError(
            f"{file}: model_type is {kind}, and no installed package has such a policy "
            f"(entry point {ENTRY_POINTS}; there are: "
            f"{', '.join(sorted([OURS, *(entry.name for entry in installed)]))})"
        )
    return found


def has_weights(policy: object) -> bool:
    """Whether it names weights, ours or another package's, which are loaded in this process."""
    return not (policy == HOLD or is_server(policy) or is_replay(policy))


def is_ours(policy: object) -> bool:
    """Whether it names weights of ours, by a folder, a hub name or nothing at all.

    Raises:
        CheckpointError: as ``somebodys``.
    """
    return has_weights(policy) and somebodys(policy) is None


def check_backend(embodiment: Embodiment, policy: object, backend: str) -> None:
    """Refuse a backend without a server, or one that does not fit the robot; empty is none.

    Raises:
        QwenVlaError: with what is wrong.
    """
    if not backend:
        return
    if not is_server(policy):
        raise CheckpointError(
            f"backend {backend} is the format of another's server; name the server, for example "
            "policy_url:=ws://gpu-machine:8000"
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
    policy: Path | str | None,
    embodiment: Embodiment,
    *,
    backend: str = "",
    device: str = "cpu",
    weights: "Weights | None" = None,
    threads: int = 1,
    deadline_s: float = 1.0,
    compiled: bool = False,
) -> Policy:
    """The policy for a robot.

    Args:
        policy: a folder (of ours, or of a policy whose package is installed), ``owner/model`` on
            the hub, ``ws://host:port`` of a server, a recorded episode to replay (a file, or
            ``folder:7`` of a LeRobot dataset), or ``hold``; None for the shipped one.
        backend: how the server of another's model is asked: a name in config/backends/, or a
            YAML file; empty for a policy of ours.
        device, weights, threads: as for ``QwenVlaPolicy.load``; a server has its own.
        compiled: of weights of ours, as for ``QwenVlaPolicy.load``.
        deadline_s: an answer of a server that takes longer is given up, s.
    Raises:
        CheckpointError: it is unusable, or was trained for another robot or other numbers.
        RemoteError: the server cannot be reached, or refuses us.
        QwenVlaError: the episode cannot be read, or not be replayed on this robot.
    """
    check_backend(embodiment, policy, backend)
    if is_server(policy):
        return _remote_policy(str(policy), embodiment, backend, deadline_s)
    if is_replay(policy):
        from qwen_vla_data.replay import ReplayPolicy
        from qwen_vla_data.sources import find_episode

        source, codec = find_episode(str(policy)), EmbodimentCodec(embodiment)
        return ReplayPolicy(source.load(codec), codec, str(source))
    if policy == HOLD:
        return HoldPolicy(embodiment)
    options = {"device": device, "weights": weights, "threads": threads}
    if (found := somebodys(policy)) is not None:
        return found.load()(Path(str(policy)), embodiment, **options)
    from qwen_vla_model.hub import find_checkpoint
    from qwen_vla_model.trained_robots import load_action_space

    # A wrong folder or robot is said at once, not after torch's five seconds.
    load_action_space(find_checkpoint(policy), embodiment)
    from qwen_vla_model.policy import QwenVlaPolicy

    return QwenVlaPolicy.load(policy, embodiment, **options, compiled=compiled)
