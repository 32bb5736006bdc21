"""Past images of a camera, for models that look back."""

from collections import deque
from collections.abc import Sequence

import numpy as np


class ImageHistory:
    """Keeps what one camera showed lately, by the images' own time."""

    def __init__(self, back_s: Sequence[float], tolerance_s: float) -> None:
        """Start with nothing seen.

        Args:
            back_s: how long before the newest image each wanted one was taken, s, rising.
            tolerance_s: how much longer ago it may have been, s.
        """
        self._back_s = tuple(reversed(back_s))
        self._tolerance_s = tolerance_s
        self._images: deque[tuple[float, np.ndarray]] = deque()

    def add(self, stamp_s: float, image_HWC: np.ndarray) -> None:
        """Take an image, later than those before and not written to afterwards."""
        self._images.append((stamp_s, image_HWC))
        longest_s = max(self._back_s, default=0.0) + self._tolerance_s
        while self._images[0][0] < stamp_s - longest_s:
            self._images.popleft()

    def before(self) -> tuple[np.ndarray, ...]:
        """For each wanted time the nearest image, oldest first; after at least one ``add``.

        Before the first image, and in a gap longer than the tolerance, the next one stands for
        what was not seen: a history that is too short, but never one of another situation.
        """
        newest_s = self._images[-1][0]
        found = []
        for back_s in self._back_s:
            wanted_s = newest_s - back_s
            usable = [image for image in self._images if image[0] >= wanted_s - self._tolerance_s]
            found.append(min(usable, key=lambda image: abs(image[0] - wanted_s))[1])
        return tuple(found)

    def clear(self) -> None:
        """Forget everything."""
        self._images.clear()
