"""Distances between capsules: straight rods with round ends."""

import numpy as np

TINY_M2 = 1e-12
"""A rod whose length squared is below this is a ball, m^2."""


def axis_distances(a_N2: np.ndarray, b_N2: np.ndarray) -> np.ndarray:
    """Shortest distances [...] between the axes of capsules, m.

    Args:
        a_N2, b_N2: both ends of an axis each, float64 [..., 2, 3], m.
    Source: Ericson, Real-Time Collision Detection, 5.1.9: of two segments at parameters s and t.
    """
    start = a_N2[..., 0, :] - b_N2[..., 0, :]
    along_a = a_N2[..., 1, :] - a_N2[..., 0, :]
    along_b = b_N2[..., 1, :] - b_N2[..., 0, :]
    aa, bb, ab = _dot(along_a, along_a), _dot(along_b, along_b), _dot(along_a, along_b)
    a0, b0 = _dot(along_a, start), _dot(along_b, start)
    aa, bb = np.maximum(aa, TINY_M2), np.maximum(bb, TINY_M2)
    s = np.clip((ab * b0 - a0 * bb) / np.maximum(aa * bb - ab * ab, TINY_M2**2), 0.0, 1.0)
    t = np.clip((ab * s + b0) / bb, 0.0, 1.0)
    s = np.clip((ab * t - a0) / aa, 0.0, 1.0)
    apart = start + s[..., None] * along_a - t[..., None] * along_b
    return np.sqrt(_dot(apart, apart))


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("...i,...i->...", a, b)
