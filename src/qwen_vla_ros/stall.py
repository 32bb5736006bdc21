"""Whether a node stood still a moment ago: what it is asked then may have waited for long.

A request lies in a queue while its node is stopped, swapped out or starved, and nobody expects the
robot to move when the node goes on. How long it lay there is not asked of its stamp: the clock of
another computer may differ.
"""

import time

LONGEST_S = 0.5
"""Periods of 20 ms that are later than this are a stall, s: nobody has turned away meanwhile."""

AFTER_S = 1.0
"""What had waited has arrived this long after it goes on, s: sockets and queues are emptied in
milliseconds."""


class Stall:
    """Fed in every period."""

    def __init__(self) -> None:
        """Begin now."""
        self._fed_s, self._ended_s, self._lasted_s = time.monotonic(), -float("inf"), 0.0

    def feed(self) -> None:
        """The node's period runs."""
        now_s = time.monotonic()
        if now_s - self._fed_s > LONGEST_S:
            self._ended_s, self._lasted_s = now_s, now_s - self._fed_s
        self._fed_s = now_s

    @property
    def problem(self) -> str:
        """Why nothing that moves the robot is granted now; "" where nothing had to wait."""
        now_s = time.monotonic()
        lasted_s = now_s - self._fed_s
        if lasted_s <= LONGEST_S:
            lasted_s = self._lasted_s if now_s - self._ended_s < AFTER_S else 0.0
        if not lasted_s:
            return ""
        return f"this node stood still for {lasted_s:.1f} s, and this may be of before: ask again"
