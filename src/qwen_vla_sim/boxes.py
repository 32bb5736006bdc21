"""Where a picture shows the block of a colour: labels for spatial grounding."""

import numpy as np

_CHANNELS = {"red": 0, "green": 1, "blue": 2}
_DOMINANCE = 1.8
"""A block's own channel exceeds both others by this factor in any light; nothing else does."""
_MIN_LEVEL = 60
_MIN_PIXELS = 12
"""Less than about a tenth of a block in a 96-pixel view does not tell where it is."""


def visible_box(image_HWC: np.ndarray, colour: str) -> np.ndarray:
    """Left, top, right, bottom of what is visible of a block, float32 [4].

    Args:
        image_HWC: uint8 RGB picture of the simulated world.
    Returns:
        Fractions of width and height; NaN when the block is out of sight.
    """
    own = image_HWC[..., _CHANNELS[colour]].astype(float)
    others = np.delete(image_HWC, _CHANNELS[colour], axis=-1).max(axis=-1)
    rows, columns = np.nonzero((own > _MIN_LEVEL) & (own > _DOMINANCE * others))
    if len(rows) < _MIN_PIXELS:
        return np.full(4, np.nan, dtype=np.float32)
    height, width = own.shape
    box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    return (box / [width, height, width, height]).astype(np.float32)
