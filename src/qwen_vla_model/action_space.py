"""What the flow runs on: normalised actions, counted from where the chunk starts.

The paper keeps each data set's own action convention and, in the text-to-action stage, expresses
end-effector deltas relative to the first frame of the chunk. We count everything that moves from
there, always:

* ``sum``: deltas and waypoints, summed up from the chunk's start. A place that the camera shows is
  then one number to predict instead of a sum of many small ones, each drowned in noise.
* ``offset``: joint positions, less what was commanded when the chunk started. In a third of a
  second (16 steps at 50 Hz) a joint crosses a few hundredths of its range; predicted absolutely,
  the motion would be as small as the noise that is left after a few Euler steps. From the command
  and not from the measured position (openpi's choice), because chunks start there: an arm that
  hangs a little below its command would else sink with each chunk.
* ``absolute``: a gripper's opening and a base's velocities, as they are.

All of it is linear, so that the inverse is exact whatever the network puts out: no rotation is
composed, a sum of 6-D rotations is that of their differences from the identity. For the small
rotations of a step this is the rotation since the start to first order, and it neither wraps nor
degenerates.

q01/q99 of the result come from the training data and are kept in the checkpoint. What is counted
from the start grows with the step, so it has quantiles for each: with those of the whole chunk
the first steps, which are the ones that are carried out, are so small that the loss hardly sees
them, and were predicted worse than by their mean.
"""

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, FiniteFloat, model_validator

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.normalization import check_finite

Relation = Literal["sum", "offset", "absolute"]
RELATIONS: dict[str, Relation] = {
    "ee_delta": "sum",
    "base_waypoints": "sum",
    "joint_position": "offset",
    "gripper": "absolute",
    "base_velocity": "absolute",
}
STILL_RANGE = 1e-3
"""A channel whose quantiles are closer than this never moves in the data and keeps its scale."""


class ActionSpace(BaseModel):
    """Between normalised actions [..., H, C] and what the model predicts, exactly invertible.

    ``still`` [..., C] is the normalised action that keeps the robot where it was commanded to be
    when the chunk starts (``EmbodimentCodec.still``).

    Attributes:
        relations: for each channel, how an action is counted from the chunk's start.
        q01, q99: for each step of a chunk and each channel, quantiles of the result over the
            training data, mapped to [-1, 1].
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    relations: tuple[Relation, ...]
    q01: tuple[tuple[FiniteFloat, ...], ...]
    q99: tuple[tuple[FiniteFloat, ...], ...]

    @model_validator(mode="after")
    def _consistent(self) -> "ActionSpace":
        if len(self.q01) != len(self.q99):
            raise ValueError("q01 and q99 have different numbers of steps")
        if any(len(self.relations) != len(channels) for channels in (*self.q01, *self.q99)):
            raise ValueError("relations, q01 and q99 have different numbers of channels")
        if not (np.array(self.q01) < np.array(self.q99)).all():
            raise ValueError("q01 is not below q99 everywhere")
        return self

    @classmethod
    def fit(
        cls, embodiment: Embodiment, chunks_NHC: np.ndarray, still_NC: np.ndarray
    ) -> "ActionSpace":
        """From all (or many) normalised chunks of the training data, and where they start."""
        relations = relations_of(embodiment)
        counted = _count(chunks_NHC, still_NC, relations)
        each_step = np.quantile(counted, (0.01, 0.99), axis=0)
        all_steps = np.quantile(counted, (0.01, 0.99), axis=(0, 1))[:, None]
        low, high = np.where(_are(relations, "absolute"), all_steps, each_step).astype(float)
        still = high - low < STILL_RANGE
        return cls(
            relations=relations,
            q01=tuple(map(tuple, np.where(still, -1.0, low))),
            q99=tuple(map(tuple, np.where(still, 1.0, high))),
        )

    def encode(self, actions: np.ndarray, still: np.ndarray) -> np.ndarray:
        """Of a chunk's first steps. Not clipped: beyond the quantiles lie places as good as any.

        Raises:
            NonFiniteError: an input is NaN or infinite.
        """
        check_finite(actions, still)
        low, high = self._quantiles(actions)
        return 2.0 * (_count(actions, still, self.relations) - low) / (high - low) - 1.0

    def decode(self, encoded: np.ndarray, still: np.ndarray) -> np.ndarray:
        """The inverse of ``encode``.

        Raises:
            NonFiniteError: an input is NaN or infinite.
        """
        check_finite(encoded, still)
        low, high = self._quantiles(encoded)
        counted = low + (encoded + 1.0) * 0.5 * (high - low)
        steps = np.diff(counted, axis=-2, prepend=np.zeros_like(counted[..., :1, :]))
        moved = np.where(_are(self.relations, "sum"), steps, counted)
        return np.where(_are(self.relations, "absolute"), moved, moved + still[..., None, :])

    def _quantiles(self, chunks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        steps = chunks.shape[-2]
        return np.array(self.q01)[:steps], np.array(self.q99)[:steps]


def relations_of(embodiment: Embodiment) -> tuple[Relation, ...]:
    """How each channel of a robot is counted."""
    return tuple(
        RELATIONS[group.action.convention]
        for group in embodiment.groups
        for _ in group.action_channels
    )


def _count(actions: np.ndarray, still: np.ndarray, relations: tuple[Relation, ...]) -> np.ndarray:
    """Actions counted from the chunk's start."""
    moved = np.where(_are(relations, "absolute"), actions, actions - still[..., None, :])
    return np.where(_are(relations, "sum"), np.cumsum(moved, axis=-2), moved)


def _are(relations: tuple[Relation, ...], kind: Relation) -> np.ndarray:
    return np.array(relations) == kind
