"""What happened, in words: the last lines, for whoever opens a page."""

import re
import time
from collections import deque
from collections.abc import Callable

KEPT = 60
"""Lines that a page gets when it is opened."""

AGAIN_S = 10.0
"""The same line again within this time is said once, s."""


NUMBER = re.compile(r"[-+]?\d[\d.]*")
"""What may differ in a text that says the same."""


class Journal:
    """Lines with a time and a level: ``info``, ``good``, ``warn`` or ``bad``."""

    def __init__(self, tell: Callable[[dict], None]) -> None:
        """``tell`` gets each new line."""
        self._tell = tell
        self._lines: deque[dict] = deque(maxlen=KEPT)
        self._said_s: dict[str, float] = {}

    def write(self, level: str, text: str, *, always: bool = False) -> None:
        """Add a line, unless the same but for its numbers was said just now.

        Args:
            level, text: of the line.
            always: add it all the same: somebody waits for it.
        """
        now_s, words = time.monotonic(), NUMBER.sub("#", text)
        self._said_s = {t: s for t, s in self._said_s.items() if now_s - s < AGAIN_S}
        if words in self._said_s and not always:
            return
        self._said_s[words] = now_s
        line = {"type": "journal", "time": time.time(), "level": level, "text": text[:500]}
        self._lines.append(line)
        self._tell(line)

    def lines(self) -> list[dict]:
        """The last ones, oldest first."""
        return list(self._lines)
