"""How much later a person's messages come than they did.

On a line that delays all alike nothing is ever silent, and a release comes as late as all else.
Clocks of two computers may differ, so a delay is compared with the least of the last while.
"""

import math

from .observation.stream import SINCE_BOOT_S

LATE_S = 0.5
"""What comes this much later than before is not followed, s: a queue of a wireless link. Two busy
cores delay by half of it."""

WINDOW_S = 10.0
"""After one to two of these a delay, or a clock that was set, is what is usual, s."""


class Lag:
    """The delay of one stream. ROS time enters as an argument, s."""

    def __init__(self) -> None:
        self._since_s = -math.inf
        self._least_s = self._before_s = math.inf
        self._later_s = 0.0

    @property
    def later_s(self) -> float:
        """How much later than the least the newest message came, s."""
        return self._later_s

    def add(self, stamp_s: float, ros_s: float) -> None:
        """A message came; one without a stamp, or of another kind of clock, says nothing."""
        if stamp_s == 0.0 or (stamp_s < SINCE_BOOT_S) != (ros_s < SINCE_BOOT_S):
            self._later_s = 0.0
            return
        passed_s = ros_s - self._since_s
        if not 0.0 <= passed_s <= WINDOW_S:
            recent = 0.0 <= passed_s <= 2.0 * WINDOW_S
            self._before_s = self._least_s if recent else math.inf
            self._since_s, self._least_s = ros_s, math.inf
        delay_s = ros_s - stamp_s
        self._least_s = min(self._least_s, delay_s)
        self._later_s = delay_s - min(self._least_s, self._before_s)

    @property
    def late(self) -> bool:
        """Whether it came too late to be followed."""
        return self._later_s > LATE_S
