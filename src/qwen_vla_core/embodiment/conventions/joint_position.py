"""Absolute joint positions."""

import numpy as np

from ..schema import Group


class JointPositionCodec:
    """The model names the joints' positions themselves, rad or m (ALOHA's convention)."""

    def __init__(self, group: Group, step_s: float) -> None:
        pass

    def state(self, positions_D: np.ndarray) -> np.ndarray:
        """The positions [D]."""
        return positions_D

    def positions(self, state: np.ndarray, near_D: np.ndarray) -> np.ndarray:
        """The positions [D]; inverse of ``state``."""
        return state

    def decode(self, actions_HC: np.ndarray, start_D: np.ndarray) -> np.ndarray:
        """Joint targets [H, D]: the actions."""
        return actions_HC

    def encode(self, targets_TD: np.ndarray) -> np.ndarray:
        """Positions [T - 1, D] of all targets but the first; inverse of decode."""
        return targets_TD[1:]

    def still(self, start_D: np.ndarray) -> np.ndarray:
        """The positions [..., D] themselves."""
        return start_D
