"""A gripper's opening."""

import numpy as np

from ..schema import Group


class GripperCodec:
    """One joint between closed (0) and open (1)."""

    def __init__(self, group: Group, step_s: float) -> None:
        self._closed, self._span = group.action.closed, group.action.open - group.action.closed

    def state(self, positions_D: np.ndarray) -> np.ndarray:
        """[opening], 0 closed .. 1 open; a held object or wear may carry it outside."""
        return (positions_D - self._closed) / self._span

    def positions(self, state: np.ndarray, near_D: np.ndarray) -> np.ndarray:
        """Joint position [1] of an opening [1]; inverse of ``state``."""
        return self._closed + state * self._span

    def decode(self, actions_HC: np.ndarray, start_D: np.ndarray) -> np.ndarray:
        """Joint targets [H, 1] from openings [H, 1]."""
        return self._closed + actions_HC * self._span

    def encode(self, targets_TD: np.ndarray) -> np.ndarray:
        """Openings [T - 1, 1] of all targets but the first; inverse of decode."""
        return (targets_TD[1:] - self._closed) / self._span

    def still(self, start_D: np.ndarray) -> np.ndarray:
        """The opening [..., 1] that ``start_D`` [..., 1] is."""
        return self.state(start_D)
