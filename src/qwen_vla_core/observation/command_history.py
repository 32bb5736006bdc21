"""What was commanded, and when: deltas are integrated from the command at the observation."""

from bisect import bisect_right

import numpy as np

KEEP_S = 2.0
"""How far back one can look, s: well beyond the oldest observation worth acting on."""


class CommandHistory:
    """The commands of the last ``KEEP_S`` seconds, by ROS time."""

    def __init__(self) -> None:
        self._stamps_s: list[float] = []
        self._commands: list[np.ndarray] = []

    def add(self, stamp_s: float, command_D: np.ndarray) -> None:
        """``command_D`` was sent at ``stamp_s``; one not later than the last is ignored."""
        if self._stamps_s and not stamp_s > self._stamps_s[-1]:
            return
        self._stamps_s.append(stamp_s)
        self._commands.append(command_D)
        # Keep the last one before the window too: it is in force where the window begins.
        past = max(bisect_right(self._stamps_s, stamp_s - KEEP_S) - 1, 0)
        del self._stamps_s[:past], self._commands[:past]

    def at(self, time_s: float) -> np.ndarray | None:
        """The command in force at ``time_s``, or None when that is before all we know."""
        k = bisect_right(self._stamps_s, time_s)
        return self._commands[k - 1] if k else None

    def clear(self) -> None:
        """Forget everything."""
        self._stamps_s.clear()
        self._commands.clear()
