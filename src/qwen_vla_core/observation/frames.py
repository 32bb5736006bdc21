"""Past pictures of a camera, for models that look back."""

from collections import deque
from collections.abc import Sequence

import numpy as np


class FrameHistory:
    """Keeps what one camera showed lately, by the pictures' own time."""

    def __init__(self, back_s: Sequence[float], tolerance_s: float) -> None:
        """Start with nothing seen.

        Args:
            back_s: how long before the newest picture each wanted one was taken, s, rising.
            tolerance_s: how much longer ago it may have been, s.
        """
        self._back_s = tuple(reversed(back_s))
        self._tolerance_s = tolerance_s
        self._frames: deque[tuple[float, np.ndarray]] = deque()

    def add(self, stamp_s: float, image_HWC: np.ndarray) -> None:
        """Take a picture, later than those before and not written to afterwards."""
        self._frames.append((stamp_s, image_HWC))
        longest_s = max(self._back_s, default=0.0) + self._tolerance_s
        while self._frames[0][0] < stamp_s - longest_s:
            self._frames.popleft()

    def before(self) -> tuple[np.ndarray, ...]:
        """For each wanted time the nearest picture, oldest first; after at least one ``add``.

        Before the first picture, and in a gap longer than the tolerance, the next one stands for
        what was not seen: a history that is too short, but never one of another situation.
        """
        newest_s = self._frames[-1][0]
        found = []
        for back_s in self._back_s:
            wanted_s = newest_s - back_s
            usable = [f for f in self._frames if f[0] >= wanted_s - self._tolerance_s]
            found.append(min(usable, key=lambda frame: abs(frame[0] - wanted_s))[1])
        return tuple(found)

    def clear(self) -> None:
        """Forget everything."""
        self._frames.clear()
