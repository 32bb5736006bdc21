"""Which colour means what, for all outputs alike. Red, green, blue from 0 to 1."""

from types import MappingProxyType

import numpy as np

_SOON_TO_LATE = np.array(
    [
        (1.00, 0.90, 0.15),
        (0.50, 0.83, 0.30),
        (0.13, 0.66, 0.55),
        (0.20, 0.48, 0.80),
        (0.48, 0.36, 0.88),
    ]
)
"""From now to the end of a chunk: bright to dark and yellow to violet, as viridis, so that those
who see no difference of red and green see the order; lightened at its end for a dark background.
"""

EXECUTED = (1.0, 1.0, 1.0)
COMMITTED = (1.0, 0.55, 0.0)
OLD = (0.62, 0.66, 0.74)
LIMIT = (1.0, 0.13, 0.10)

MODE_COLOURS = MappingProxyType(
    {
        "HOLD": (0.75, 0.75, 0.75),
        "START": (0.35, 0.75, 1.0),
        "TELEOP": (0.35, 0.75, 1.0),
        "AUTONOMY": (0.30, 0.90, 0.40),
        "ESTOP": LIMIT,
    }
)
"""Colours of the mode's banner. A mode that is not listed is drawn as HOLD."""


def time_colours(due_in_T: np.ndarray, horizon_s: float) -> np.ndarray:
    """Colours [T, 3] of moments by the seconds until they are due; the past is coloured as now.

    Args:
        due_in_T: seconds until execution, [T].
        horizon_s: what is drawn as the latest, s, > 0.
    """
    place_T = np.clip(due_in_T / horizon_s, 0.0, 1.0) * (len(_SOON_TO_LATE) - 1)
    steps = np.arange(len(_SOON_TO_LATE))
    return np.stack([np.interp(place_T, steps, column) for column in _SOON_TO_LATE.T], axis=1)
