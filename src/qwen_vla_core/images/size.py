"""How large an image may be: known from its header, before a pixel is decoded or copied.

A PNG of 389 kB may unpack to 20000 x 20000 pixels, which took 1.2 GB and 38 s.
"""

from ..errors import ObservationError

MAX_PIXELS = 16_000_000
"""Larger than any colour camera on a robot."""

MAX_BYTES = 4 * MAX_PIXELS + 4096
"""Largest message: four bytes a pixel, as in bgra8 or 32FC1, and its header."""


def check_size(width: int, height: int, what: str) -> None:
    """Refuse an image without pixels, or with more than ``MAX_PIXELS``.

    Args:
        what: the topic and the encoding, for the error.
    Raises:
        ObservationError: it is empty or too large.
    """
    if not 0 < width * height <= MAX_PIXELS:
        raise ObservationError(
            f"{what}: {width} x {height} pixels; between 1 and {MAX_PIXELS} are accepted"
        )
