"""Velocities of a differential-drive base."""

import numpy as np

from ..schema import Group


class BaseVelocityCodec:
    """Forward speed, m/s, and turning rate, rad/s, each kept for one action step.

    Positions [3] are base_x, base_y m and base_yaw rad, displacements from the pose at the
    observation. Each step is an arc of a circle.
    """

    def __init__(self, group: Group, step_s: float) -> None:
        self._step_s = step_s

    def state(self, positions_D: np.ndarray) -> np.ndarray:
        """Nothing [0]: a base stands at its own origin whenever it observes."""
        return np.empty(0)

    def positions(self, state: np.ndarray, near_D: np.ndarray) -> np.ndarray:
        """Zero [3]: the pose at the observation."""
        return np.zeros(3)

    def decode(self, actions_HC: np.ndarray, start_D: np.ndarray) -> np.ndarray:
        """Displacements [H, 3] after driving at velocities [H, 2]."""
        turns_H = actions_HC[:, 1] * self._step_s
        yaws_H = start_D[2] + np.cumsum(turns_H)
        # The chord of an arc has the heading in its middle.
        chords_H = actions_HC[:, 0] * self._step_s * _chord_per_arc(turns_H)
        middle_H = yaws_H - turns_H / 2.0
        return np.stack(
            [
                start_D[0] + np.cumsum(chords_H * np.cos(middle_H)),
                start_D[1] + np.cumsum(chords_H * np.sin(middle_H)),
                yaws_H,
            ],
            axis=1,
        )

    def encode(self, targets_TD: np.ndarray) -> np.ndarray:
        """Velocities [T - 1, 2] between displacements [T, 3]; inverse of decode.

        Of a sideways motion, which wheels cannot make, nothing is left.
        """
        steps = np.diff(targets_TD, axis=0)
        middle = targets_TD[:-1, 2] + steps[:, 2] / 2.0
        chords = steps[:, 0] * np.cos(middle) + steps[:, 1] * np.sin(middle)
        speeds = chords / _chord_per_arc(steps[:, 2])
        return np.stack([speeds, steps[:, 2]], axis=1) / self._step_s

    def still(self, start_D: np.ndarray) -> np.ndarray:
        """No velocity [..., 2]."""
        return np.zeros((*start_D.shape[:-1], 2))


def _chord_per_arc(turns: np.ndarray) -> np.ndarray:
    """sin(a/2) / (a/2) for arcs that turn by a, rad."""
    return np.sinc(turns / (2.0 * np.pi))
