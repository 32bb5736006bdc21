"""What a new chunk has to continue: the part of the old one that still lies ahead.

While a policy computes, the robot goes on with the chunk in use. What will have been executed by
the time the answer is there is committed: the answer begins with it (real-time chunking).
"""

from dataclasses import dataclass

import numpy as np

from ..embodiment import EmbodimentCodec
from ..errors import ChunkError, NonFiniteError
from ..types import ActionChunk, Observation

CLIPPED = 1e-6
"""Less than this, in native units, is rounding: a gripper stands at the end of its range."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Prefix:
    """What the chunk in use does from an observation's time on, as a policy's actions.

    Attributes:
        actions_NC: float32 [N, C] in [-1, 1], order of ``Embodiment.action_channels``; action 0
            starts from what was commanded at the observation's time.
        committed: how many of them a new chunk begins with, 0 to N. The rest is what the old
            chunk would have gone on to do.
    """

    actions_NC: np.ndarray
    committed: int

    def __post_init__(self) -> None:
        """Refuse what is no prefix.

        Raises:
            ChunkError: the actions are not [N, C], or fewer than are committed.
            NonFiniteError: an action is NaN or infinite.
        """
        shape = self.actions_NC.shape
        if len(shape) != 2 or not 0 <= self.committed <= shape[0]:
            raise ChunkError(f"a prefix of shape {shape} with {self.committed} steps committed")
        if not np.isfinite(self.actions_NC).all():
            raise NonFiniteError("the prefix holds NaN or infinity")


def prefix_of(
    chunk: ActionChunk | None, observation: Observation, codec: EmbodimentCodec, delay_steps: int
) -> Prefix | None:
    """The rest of the chunk in use, seen from an observation.

    What normalisation clips from one action is made up for by the next, so that the targets are
    met again after a command that lagged behind.

    Args:
        chunk: what the robot is doing and will go on doing until the answer is there, if anything.
        observation: the input of the inference that is about to start.
        delay_steps: whole action steps until the answer is there; all but one step of a chunk at
            most are committed, so that something is left to predict.
    Returns:
        None where no chunk leads on from the observation: there is none, it was observed later,
        it is at its end, or the command is farther from it than ``jump_limit``, so that the robot
        is not following it.
    """
    if chunk is None:
        return None
    robot = codec.embodiment
    ahead_s = chunk.end_s - observation.stamp_s
    # The small term keeps 2.9999999 steps, which is rounding, from being counted as 2.
    known = min(int(np.floor(ahead_s / robot.action_step_s + 1e-6)), robot.horizon)
    if known < 1 or observation.stamp_s < chunk.stamp_s:
        return None
    times_s = observation.stamp_s + robot.action_step_s * np.arange(known + 1)
    points_s = chunk.stamp_s + chunk.step_s * np.arange(len(chunk.positions_TD))
    planned_TD = np.stack(
        [np.interp(times_s, points_s, joint) for joint in chunk.positions_TD.T], axis=1
    )
    base_D = np.array(robot.base_D)
    if base_D.any():
        planned_TD[:, base_D] = poses_from_first(planned_TD[:, base_D])
    reached_D = np.where(base_D, 0.0, observation.commanded_D)
    if np.abs(planned_TD[0] - reached_D).max() > robot.jump_limit:
        return None
    actions = []
    for target_D in planned_TD[1:]:
        native_1C = codec.encode(np.stack([reached_D, target_D]))
        actions.append(codec.normalize_actions(native_1C))
        clipped = np.abs(native_1C - native_1C.clip(codec.action_q01_C, codec.action_q99_C))
        if clipped.max() > CLIPPED:
            arrived_D = codec.decode(actions[-1], reached_D, observation.stamp_s).positions_TD[1]
            target_D = np.where(base_D, target_D, arrived_D)
        reached_D = target_D
    return Prefix(
        actions_NC=np.concatenate(actions).astype(np.float32),
        committed=min(delay_steps, known, robot.horizon - 1),
    )


def poses_from_first(poses_T3: np.ndarray) -> np.ndarray:
    """Poses x, y, yaw as displacements from the first of them."""
    x, y, yaw = (poses_T3 - poses_T3[0]).T
    cos, sin = np.cos(poses_T3[0, 2]), np.sin(poses_T3[0, 2])
    return np.stack([cos * x + sin * y, cos * y - sin * x, yaw], axis=1)
