"""The numbers of an episode as columns of a dataset."""

from dataclasses import dataclass

import numpy as np

from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_core.modes import Mode

from ..episode import Episode
from ..plans import next_actions
from .layout import (
    ACTION,
    COMMANDED,
    INTERVENTION,
    MODE,
    OBSERVED,
    PLAN,
    PLAN_VALID,
    POSITIONS,
    STAMP,
    STATE,
    SUCCESS,
)

MODES = tuple(mode.value for mode in Mode)
"""A mode is stored as its place here."""
UNKNOWN_SUCCESS = -1
"""Value where nobody judged; else 1 for a success and 0 for a failure, at every frame."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Column:
    """Numbers [T, n] of one type, n >= 1, and their names."""

    values_TN: np.ndarray
    names: tuple[str, ...] | None = None


def columns_of(episode: Episode, codec: EmbodimentCodec) -> dict[str, Column]:
    """Name -> column: what LeRobot's policies learn from, and what else is known.

    ``action`` is the first action of what is learned at that frame: what the expert would do, or
    what was commanded next. ``plan`` is the whole chunk, where an expert planned it.

    Raises:
        QwenVlaError: the episode is another robot's.
    """
    robot, steps = codec.embodiment, len(episode.states_TS)
    columns = {}
    if robot.state_channels:  # a base alone has none
        columns[STATE] = Column(
            values_TN=episode.states_TS.astype(np.float32), names=robot.state_channels
        )
    columns[ACTION] = Column(values_TN=next_actions(episode, codec), names=robot.action_channels)
    columns[COMMANDED] = Column(
        values_TN=episode.commanded_TD.astype(np.float32), names=robot.joint_names
    )
    success = UNKNOWN_SUCCESS if episode.success is None else int(episode.success)
    columns[SUCCESS] = _one(np.full(steps, success, np.int64))
    if episode.positions_TD is not None:
        columns[POSITIONS] = Column(
            values_TN=episode.positions_TD.astype(np.float64), names=robot.joint_names
        )
    if episode.stamps_T is not None:
        columns[STAMP] = _one(episode.stamps_T.astype(np.float64))
    if episode.modes_T is not None:
        columns[MODE] = _one(np.array([MODES.index(mode) for mode in episode.modes_T], np.int64))
    if episode.interventions_T is not None:
        columns[INTERVENTION] = _one(episode.interventions_T.astype(bool))
    observed_T = np.ones(steps, bool) if episode.observed_T is None else episode.observed_T
    columns[OBSERVED] = _one(observed_T)
    if episode.actions_NTHC is not None:
        columns[PLAN] = Column(
            values_TN=episode.actions_NTHC[0].reshape(steps, -1).astype(np.float32)
        )
        columns[PLAN_VALID] = Column(values_TN=episode.valid_NTH[0].astype(bool))
    return columns


def _one(values_T: np.ndarray) -> Column:
    return Column(values_TN=values_T[:, None])
