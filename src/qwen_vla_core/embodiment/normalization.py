"""q01/q99 normalisation (Qwen-VLA, section 2.4): 2 (a - q01) / (q99 - q01) - 1, clipped."""

import numpy as np

from ..errors import NonFiniteError


def normalize(native: np.ndarray, q01_C: np.ndarray, q99_C: np.ndarray) -> np.ndarray:
    """Map native units onto [-1, 1]; what lies beyond the quantiles is clipped.

    Args:
        native: [..., C] in native units.
        q01_C, q99_C: quantiles per channel, q01 < q99.

    Raises:
        NonFiniteError: any input is NaN or infinite (clip would let NaN pass).
    """
    check_finite(native)
    return np.clip(2.0 * (native - q01_C) / (q99_C - q01_C) - 1.0, -1.0, 1.0)


def denormalize(normalized: np.ndarray, q01_C: np.ndarray, q99_C: np.ndarray) -> np.ndarray:
    """The inverse: [-1, 1] back to native units.

    Values beyond [-1, 1] are clipped, because a policy has seen nothing outside.

    Raises:
        NonFiniteError: any input is NaN or infinite.
    """
    check_finite(normalized)
    return q01_C + (np.clip(normalized, -1.0, 1.0) + 1.0) * 0.5 * (q99_C - q01_C)


def check_finite(*arrays: np.ndarray) -> None:
    """Refuse NaN and infinity.

    Raises:
        NonFiniteError: a value is NaN or infinite.
    """
    for values in arrays:
        if not np.isfinite(values).all():
            raise NonFiniteError(
                f"{np.count_nonzero(~np.isfinite(values))} of {values.size} values are not finite"
            )
