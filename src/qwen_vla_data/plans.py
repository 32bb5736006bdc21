"""What is learned from an episode: the expert's plans, or what was commanded afterwards."""

from dataclasses import replace

import numpy as np

from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.execution.prefix import poses_from_first

from .episode import Episode


def with_plans(episode: Episode, codec: EmbodimentCodec) -> Episode:
    """The episode with a plan and boxes at every step, whoever recorded it.

    Without an expert the plan at step t is what was commanded after it: point k is what was
    commanded k action steps later, with a base's displacement from its pose at step t. Behind the
    end of the episode nothing may be learned. Unknown boxes are NaN, as out of sight.

    Raises:
        QwenVlaError: it was recorded on another robot, or with other joints, horizon or channels.
    """
    robot = codec.embodiment
    joints = episode.commanded_TD.shape[1]
    if (episode.embodiment, joints) != (robot.name, len(robot.joints)):
        raise QwenVlaError(
            f"recorded on {episode.embodiment} with {joints} joints, not on {robot.name} with "
            f"{len(robot.joints)}"
        )
    if episode.actions_NTHC is None:
        actions_THC, valid_TH = _followed(episode.commanded_TD, codec)
        episode = replace(episode, actions_NTHC=actions_THC[None], valid_NTH=valid_TH[None])
    if episode.boxes_NTV4 is None:
        shape = (*episode.actions_NTHC.shape[:2], len(episode.images), 4)
        episode = replace(episode, boxes_NTV4=np.full(shape, np.nan, dtype=np.float32))
    plan, wanted = episode.actions_NTHC.shape[2:], (robot.horizon, len(robot.action_channels))
    if plan != wanted:
        raise QwenVlaError(
            f"its plans have {plan[0]} steps of {plan[1]} channels, those of {robot.name} have "
            f"{wanted[0]} of {wanted[1]}"
        )
    return episode


def _followed(commanded_TD: np.ndarray, codec: EmbodimentCodec) -> tuple[np.ndarray, np.ndarray]:
    """Native actions [T, H, C] and bool [T, H]: what was commanded after each step."""
    robot, steps = codec.embodiment, len(commanded_TD)
    base_D = np.array(robot.base_D)
    actions_THC = np.zeros((steps, robot.horizon, len(robot.action_channels)), np.float32)
    valid_TH = np.zeros((steps, robot.horizon), dtype=bool)
    for t in range(steps - 1):
        targets_TD = commanded_TD[t : t + robot.horizon + 1].astype(float)
        if base_D.any():
            targets_TD[:, base_D] = poses_from_first(targets_TD[:, base_D])
        known = len(targets_TD) - 1
        actions_THC[t, :known] = codec.encode(targets_TD)
        valid_TH[t, :known] = True
    return actions_THC, valid_TH
