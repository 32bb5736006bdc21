"""Joints are matched by name, never by index."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ..errors import NonFiniteError, ObservationError


def match_joints(
    names: Sequence[str],
    values: Sequence[float],
    wanted: Sequence[str],
    what: str = "positions",
) -> np.ndarray:
    """Put a joint message into our order.

    Args:
        names: joint names of the message, any order; names we do not want are ignored, also where
            they come twice (the fingers of some grippers).
        values: their positions, rad or m, or velocities.
        wanted: the joints to return, in order.
        what: what the values are, for the errors.
    Returns:
        float64 [len(wanted)], bit-identical to the message's values.
    Raises:
        ObservationError: names and values differ in number, a wanted joint comes twice or is
            missing. NonFiniteError: a wanted value is NaN or infinite.
    """
    if len(names) != len(values):
        raise ObservationError(f"{len(names)} joint names but {len(values)} {what}")
    value_of = dict(zip(names, values, strict=True))
    if len(value_of) != len(names):
        counts = Counter(names)
        if twice := sorted({name for name in wanted if counts[name] > 1}):
            raise ObservationError(f"joints named more than once: {', '.join(twice)}")
    missing = [name for name in wanted if name not in value_of]
    if missing:
        raise ObservationError(f"joints missing: {', '.join(missing)}")
    matched_D = np.array([value_of[name] for name in wanted], dtype=np.float64)
    if not np.isfinite(matched_D).all():
        bad = [wanted[d] for d in np.flatnonzero(~np.isfinite(matched_D))]
        raise NonFiniteError(f"joint {what} not finite: {', '.join(bad)}")
    return matched_D
