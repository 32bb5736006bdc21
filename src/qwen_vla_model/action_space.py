"""What the flow runs on: normalised actions, their deltas summed up from the chunk's start.

The paper keeps each data set's own action convention and, in the text-to-action stage, expresses
end-effector deltas relative to the first frame of the chunk. We do so always: a place that the
camera shows is then one number to predict instead of a sum of many small ones, each drowned in
noise. Per-channel q01/q99 of the sums come from the training data and are kept in the checkpoint.
"""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from qwen_vla_core.embodiment.schema import EeDelta, Embodiment


class ActionSpace(BaseModel):
    """Between normalised actions [..., H, C] and what the model predicts, exactly invertible.

    Attributes:
        summed: for each channel, whether it is a delta and is summed over the chunk.
        q01, q99: quantiles of the result over the training data, mapped to [-1, 1].
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    summed: tuple[bool, ...]
    q01: tuple[float, ...]
    q99: tuple[float, ...]

    @classmethod
    def fit(cls, embodiment: Embodiment, chunks_NHC: np.ndarray) -> "ActionSpace":
        """From all (or many) normalised chunks of the training data."""
        summed = tuple(
            isinstance(group.action, EeDelta)
            for group in embodiment.groups
            for _ in group.action_channels
        )
        values = _sum(chunks_NHC, summed).reshape(-1, len(summed))
        low, high = np.quantile(values, (0.01, 0.99), axis=0).astype(float)
        still = high - low < 1e-3  # a channel that never moves keeps its scale
        return cls(
            summed=summed,
            q01=tuple(np.where(still, -1.0, low)),
            q99=tuple(np.where(still, 1.0, high)),
        )

    def encode(self, actions: np.ndarray) -> np.ndarray:
        """Not clipped: beyond the quantiles lie places that are as good as any other."""
        low, high = np.array(self.q01), np.array(self.q99)
        return 2.0 * (_sum(actions, self.summed) - low) / (high - low) - 1.0

    def decode(self, encoded: np.ndarray) -> np.ndarray:
        """The inverse of ``encode``."""
        low, high = np.array(self.q01), np.array(self.q99)
        values = low + (encoded + 1.0) * 0.5 * (high - low)
        deltas = np.diff(values, axis=-2, prepend=np.zeros_like(values[..., :1, :]))
        return np.where(self.summed, deltas, values)


def _sum(actions: np.ndarray, summed: Sequence[bool]) -> np.ndarray:
    return np.where(summed, np.cumsum(actions, axis=-2), actions)
