"""What a launch asks for, whole: one robot and its nodes, or what is wrong in words.

Nothing of launch is needed here, so that it can be tested where launch is not installed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qwen_vla_core.embodiment import Embodiment, find_embodiment, load_embodiment
from qwen_vla_core.instruction import check_instruction
from qwen_vla_core.resources import SHIPPED_CHECKPOINT, embodiments_directory

from ..bringup import NodeDescription, check_policy, check_teleop, describe_bringup
from ..load_policy import check_backend, name_policy

EXPERT = "expert"
"""Stands where a checkpoint would: the simulator's scripted expert."""


@dataclass(frozen=True, kw_only=True)
class LaunchRequest:
    """One robot and the nodes that run for it; ``path`` is its YAML file."""

    path: Path
    robot: Embodiment
    nodes: tuple[NodeDescription, ...]


def understand(values: Mapping[str, str | bool]) -> LaunchRequest:
    """What the arguments, as ``arguments.read`` returns them, ask for together.

    Raises:
        QwenVlaError: they do not fit each other or the robot.
    """
    path = find_embodiment(values["embodiment"], embodiments_directory()).absolute()
    robot = load_embodiment(path)
    policy = name_policy(values["checkpoint"], values["policy_url"]) or str(SHIPPED_CHECKPOINT)
    policy = None if policy == EXPERT else policy
    check_policy(
        robot,
        policy,
        values["use_sim"],
        device=values["device"],
        weights=values["weights"],
    )
    check_backend(robot, policy, values["backend"])
    check_teleop(robot, values["teleop"])
    if values["instruction"]:
        check_instruction(values["instruction"])
    nodes = describe_bringup(
        embodiment=str(path),
        checkpoint=policy,
        backend=values["backend"],
        device=values["device"],
        weights=values["weights"],
        instruction=values["instruction"],
        use_sim=values["use_sim"],
        dry_run=values["dry_run"],
        namespace=values["namespace"],
        teleop=values["teleop"],
        view=values["view"],
        rviz=values["use_rviz"],
        record=values["record"],
        log_level=values["log_level"],
    )
    return LaunchRequest(path=path, robot=robot, nodes=nodes)
