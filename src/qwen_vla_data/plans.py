"""What is learned from an episode: the expert's plans, or what was commanded afterwards."""

from dataclasses import replace

import numpy as np

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec
from qwen_vla_core.embodiment.conventions import CODECS
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
    check_robot(episode, codec)
    if episode.actions_NTHC is None:
        actions_THC, valid_TH = _followed(episode.commanded_TD, codec, robot.horizon)
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


def check_robot(episode: Episode, codec: EmbodimentCodec) -> None:
    """Refuse an episode of another robot.

    Raises:
        QwenVlaError: it was recorded on another robot, or with other joints or states.
    """
    robot = codec.embodiment
    joints, states = episode.commanded_TD.shape[1], episode.states_TS.shape[1]
    if (episode.embodiment, joints) != (robot.name, len(robot.joints)):
        raise QwenVlaError(
            f"recorded on {episode.embodiment} with {joints} joints, not on {robot.name} with "
            f"{len(robot.joints)}"
        )
    if states != len(robot.state_channels):
        raise QwenVlaError(
            f"recorded with {states} states, but {robot.name} has {len(robot.state_channels)}"
        )


def next_actions(episode: Episode, codec: EmbodimentCodec) -> np.ndarray:
    """The first action of each step's plan, native, [T, C]; where none is known, that which stays.

    Raises:
        QwenVlaError: as ``with_plans``.
    """
    check_robot(episode, codec)
    here_TD = np.where(codec.embodiment.base_D, 0.0, episode.commanded_TD.astype(float))
    stay_TC = np.stack([codec.encode(np.stack([here_D, here_D]))[0] for here_D in here_TD])
    if episode.actions_NTHC is None:
        actions_THC, valid_TH = _followed(episode.commanded_TD, codec, 1)
    else:
        actions_THC, valid_TH = episode.actions_NTHC[0], episode.valid_NTH[0]
    return np.where(valid_TH[:, :1], actions_THC[:, 0], stay_TC).astype(np.float32)


def commands_of(
    actions_TC: np.ndarray, first_D: np.ndarray, robot: Embodiment, step_s: float
) -> np.ndarray:
    """What was commanded at each step [T, D] where each native action [T, C] led to the next.

    Args:
        first_D: what was commanded at the first step; of a base its pose, x m, y m and yaw rad.
        step_s: time from one step to the next, s.
    """
    commanded_TD = np.tile(np.asarray(first_D, dtype=float), (len(actions_TC), 1))
    channel = 0
    for group in robot.groups:
        codec = CODECS[group.action.convention](group, step_s)
        end = channel + len(group.action_channels)
        actions, joints = actions_TC[:-1, channel:end], robot.group_slice(group.name)
        channel = end
        if not group.is_base:
            commanded_TD[1:, joints] = codec.decode(actions, commanded_TD[0, joints])
            continue
        for t, action in enumerate(actions):
            ahead, left, turned = codec.decode(action[None], np.zeros(3))[0]
            x, y, yaw = commanded_TD[t, joints]
            cos, sin = np.cos(yaw), np.sin(yaw)
            there = (x + cos * ahead - sin * left, y + sin * ahead + cos * left, yaw + turned)
            commanded_TD[t + 1, joints] = there
    return commanded_TD


def whole_sequence(
    episode: Episode, codec: EmbodimentCodec, usable_T: np.ndarray | bool = True
) -> np.ndarray:
    """Native actions [N, C] of a whole episode as it was carried out, from its first step on.

    A base's waypoints are along the axes of its first pose, as those of a chunk.

    Args:
        episode: with plans (``with_plans``). Those of a step are taken as far as the next step.
        usable_T: bool, the steps that are taken.
    """
    actions_TSC = episode.actions_NTHC[0, :, : episode.stride].astype(float)
    channel = 0
    for group in codec.embodiment.groups:
        end = channel + len(group.action_channels)
        if group.action.convention == "base_waypoints":
            turns_T = actions_TSC[..., end - 1].sum(1)
            yaw_T = np.cumsum(turns_T) - turns_T  # at each step, from the first one's
            steps = actions_TSC[..., channel] + 1j * actions_TSC[..., channel + 1]
            steps *= np.exp(1j * yaw_T)[:, None]
            actions_TSC[..., channel], actions_TSC[..., channel + 1] = steps.real, steps.imag
        channel = end
    valid_TS = episode.valid_NTH[0, :, : episode.stride]
    return actions_TSC[valid_TS & np.broadcast_to(usable_T, len(valid_TS))[:, None]]


def _followed(
    commanded_TD: np.ndarray, codec: EmbodimentCodec, horizon: int
) -> tuple[np.ndarray, np.ndarray]:
    """Native actions [T, horizon, C] and bool [T, horizon]: what was commanded after each step."""
    robot, steps = codec.embodiment, len(commanded_TD)
    base_D = np.array(robot.base_D)
    actions_THC = np.zeros((steps, horizon, len(robot.action_channels)), np.float32)
    valid_TH = np.zeros((steps, horizon), dtype=bool)
    for t in range(steps - 1):
        targets_TD = commanded_TD[t : t + horizon + 1].astype(float)
        if base_D.any():
            targets_TD[:, base_D] = poses_from_first(targets_TD[:, base_D])
        known = len(targets_TD) - 1
        actions_THC[t, :known] = codec.encode(targets_TD)
        valid_TH[t, :known] = True
    return actions_THC, valid_TH
