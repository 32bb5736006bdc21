"""What the flow runs on: normalised actions, counted from where the chunk starts.

The paper keeps each data set's own action convention and, in the text-to-action stage, expresses
end-effector deltas relative to the first frame of the chunk. How actions are counted is a choice
of the recipe (``Counting``), and a checkpoint holds it for each channel:

* ``per_step``: deltas and waypoints as they are, each from the step before; the paper's.
* ``sum``: the same, summed up from the chunk's start. A place that the camera shows is
  then one number to predict instead of a sum of many small ones, each drowned in noise.
* ``offset``: joint positions, less what was commanded when the chunk started. In a third of a
  second (16 steps at 50 Hz) a joint crosses a few hundredths of its range; predicted absolutely,
  the motion would be as small as the noise that is left after a few Euler steps. From the command
  and not from the measured position (openpi's choice), because chunks start there: an arm that
  hangs a little below its command would else sink with each chunk.
* ``absolute``: a gripper's opening and a base's velocities, as they are; and joint positions,
  where a recipe says so, as the paper has them.

All of it is linear, so that the inverse is exact whatever the network puts out: no rotation is
composed, a sum of 6-D rotations is that of their differences from the identity. For the small
rotations of a step this is the rotation since the start to first order, and it neither wraps nor
degenerates.

q01/q99 of the result come from the training data and are kept in the checkpoint. What is counted
from the start grows with the step, so it has quantiles for each: with those of the whole chunk
the first steps, which are the ones that are carried out, are so small that the loss hardly sees
them, and were predicted worse than by their mean. The paper has one pair for each channel of a
data set, and clips what lies beyond.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, FiniteFloat, model_validator

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.normalization import check_finite

Relation = Literal["sum", "offset", "absolute", "per_step"]
AS_IT_IS = ("absolute", "per_step")
RELATIONS: dict[str, tuple[Relation, ...]] = {
    "ee_delta": ("sum", "per_step"),
    "base_waypoints": ("sum", "per_step"),
    "joint_position": ("offset", "absolute"),
    "gripper": ("absolute",),
    "base_velocity": ("absolute",),
}
"""Convention of a group -> how its actions may be counted, ours first."""
STILL_RANGE = 1e-3
"""A channel whose quantiles are closer than this never moves in the data and keeps its scale."""


class Counting(BaseModel):
    """How a recipe wants actions counted and normalised; the defaults are ours.

    Attributes:
        deltas: end-effector deltas and waypoints.
        joints: joint positions.
        quantiles: for each step of a chunk where it grows with the step, or one for all steps.
        clip: whether what lies beyond the quantiles is learned as if it lay on them.
        each_source: whether each source of a mixture is normalised by its own quantiles, instead
            of a robot by those of its first source. A checkpoint keeps those of the first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    deltas: Literal["from_start", "per_step"] = "from_start"
    joints: Literal["from_start", "absolute"] = "from_start"
    quantiles: Literal["each_step", "all_steps"] = "each_step"
    clip: bool = False
    each_source: bool = False

    def relation(self, convention: str) -> Relation:
        """How a group of this convention is counted."""
        native = {"sum": self.deltas, "offset": self.joints}
        ours, *others = RELATIONS[convention]
        return ours if native.get(ours, "from_start") == "from_start" else others[0]


OURS = Counting()


class ActionSpace(BaseModel):
    """Between normalised actions [..., H, C] and what the model predicts, exactly invertible.

    ``still`` [..., C] is the normalised action that keeps the robot where it was commanded to be
    when the chunk starts (``EmbodimentCodec.still``).

    Attributes:
        relations: for each channel, how an action is counted from the chunk's start.
        q01, q99: for each step of a chunk and each channel, quantiles of the result over the
            training data, mapped to [-1, 1].
        clip: whether ``encode`` clips to that, as the paper does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    relations: tuple[Relation, ...]
    q01: tuple[tuple[FiniteFloat, ...], ...]
    q99: tuple[tuple[FiniteFloat, ...], ...]
    clip: bool = False

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
        cls,
        embodiment: Embodiment,
        chunks: np.ndarray | Sequence[np.ndarray],
        still_NC: np.ndarray,
        counting: Counting = OURS,
    ) -> "ActionSpace":
        """From all (or many) normalised chunks of the training data, and where they start.

        Args:
            chunks: [N, H, C]; with quantiles for all steps also N sequences of any lengths.
        """
        relations = relations_of(embodiment, counting)
        if counting.quantiles == "all_steps":
            counted = [_count(c, s, relations) for c, s in zip(chunks, still_NC, strict=True)]
            pair = np.quantile(np.concatenate(counted), (0.01, 0.99), axis=0)
            low, high = np.repeat(pair[:, None], embodiment.horizon, axis=1)
        else:
            counted = _count(chunks, still_NC, relations)
            each_step = np.quantile(counted, (0.01, 0.99), axis=0)
            all_steps = np.quantile(counted, (0.01, 0.99), axis=(0, 1))[:, None]
            low, high = np.where(_are(relations, *AS_IT_IS), all_steps, each_step).astype(float)
        still = high - low < STILL_RANGE
        return cls(
            relations=relations,
            q01=tuple(map(tuple, np.where(still, -1.0, low))),
            q99=tuple(map(tuple, np.where(still, 1.0, high))),
            clip=counting.clip,
        )

    def encode(self, actions: np.ndarray, still: np.ndarray) -> np.ndarray:
        """Of a chunk's first steps. Ours are not clipped: beyond lie places as good as any.

        Raises:
            NonFiniteError: an input is NaN or infinite.
        """
        check_finite(actions, still)
        low, high = self._quantiles(actions)
        encoded = 2.0 * (_count(actions, still, self.relations) - low) / (high - low) - 1.0
        return np.clip(encoded, -1.0, 1.0) if self.clip else encoded

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
        return np.where(_are(self.relations, *AS_IT_IS), moved, moved + still[..., None, :])

    def _quantiles(self, chunks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each step; a sequence longer than a chunk goes on with the last one's."""
        steps = np.arange(chunks.shape[-2]).clip(max=len(self.q01) - 1)
        return np.array(self.q01)[steps], np.array(self.q99)[steps]


def relations_of(embodiment: Embodiment, counting: Counting = OURS) -> tuple[Relation, ...]:
    """How each channel of a robot is counted."""
    return tuple(
        counting.relation(group.action.convention)
        for group in embodiment.groups
        for _ in group.action_channels
    )


def _count(actions: np.ndarray, still: np.ndarray, relations: tuple[Relation, ...]) -> np.ndarray:
    """Actions counted from the chunk's start."""
    moved = np.where(_are(relations, *AS_IT_IS), actions, actions - still[..., None, :])
    return np.where(_are(relations, "sum"), np.cumsum(moved, axis=-2), moved)


def misfits(relations: Sequence[Relation], embodiment: Embodiment) -> list[str]:
    """Channels of a robot that cannot be counted so, each with why; empty where all can."""
    allowed = [
        RELATIONS[g.action.convention] for g in embodiment.groups for _ in g.action_channels
    ]
    return [
        f"{channel} is counted as {relation}, not {' or '.join(those)}"
        for channel, relation, those in zip(
            embodiment.action_channels, relations, allowed, strict=True
        )
        if relation not in those
    ]


def _are(relations: tuple[Relation, ...], *kinds: Relation) -> np.ndarray:
    return np.isin(np.array(relations), kinds)
