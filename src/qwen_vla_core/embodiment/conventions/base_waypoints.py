"""Waypoints of a mobile base."""

import numpy as np

from ..schema import Group


class BaseWaypointsCodec:
    """Steps from waypoint to waypoint, along the axes of the pose at the observation.

    Positions [3] are base_x, base_y m and base_yaw rad, displacements from that pose.
    """

    def __init__(self, group: Group, step_s: float) -> None:
        pass

    def state(self, positions_D: np.ndarray) -> np.ndarray:
        """Nothing [0]: a base stands at its own origin whenever it observes."""
        return np.empty(0)

    def positions(self, state: np.ndarray, near_D: np.ndarray) -> np.ndarray:
        """Zero [3]: the pose at the observation."""
        return np.zeros(3)

    def decode(self, actions_HC: np.ndarray, start_D: np.ndarray) -> np.ndarray:
        """Displacements [H, 3] from steps [H, 3]; ``start_D`` is zero at an observation."""
        return start_D + np.cumsum(actions_HC, axis=0)

    def encode(self, targets_TD: np.ndarray) -> np.ndarray:
        """Steps [T - 1, 3] between displacements [T, 3]; inverse of decode."""
        return np.diff(targets_TD, axis=0)

    def still(self, start_D: np.ndarray) -> np.ndarray:
        """No step [..., 3]."""
        return np.zeros((*start_D.shape[:-1], 3))
