"""Does ROS time run as time does? Not if a clock was set, or a /clock stands still."""

from collections import deque

JUMP_S = 0.1
"""ROS time and steady time may drift apart by this much within a period; NTP slews far less."""

STILL_S = 0.25
"""ROS time that has not advanced for this long stands still, s: two periods of a /clock at 10 Hz,
the slowest that simulators publish, and a margin."""

ROUNDING_S = 1e-6
"""ROS time as a float64 is exact to 0.2 us at today's dates."""

WINDOW_S, SLOWEST, FASTEST = 1.0, 0.5, 2.0
"""Over a second ROS time may run at half to twice the speed of time: a simulator that cannot keep
up is slow, one that is slower than this counts as stopped."""


class ClockWatch:
    """Compares the two clocks once per control period."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Start again: nobody looked at the clocks for a while."""
        self._past: deque[tuple[float, float]] = deque()
        self._advanced_s: float | None = None

    def update(self, ros_s: float, steady_s: float) -> str:
        """What is wrong with ROS time now, in words, or "".

        Args:
            ros_s: ROS time, s. steady_s: steady time, s, not smaller than at the last call.
        """
        if not self._past:
            self._past.append((ros_s, steady_s))
            self._advanced_s = steady_s
            return ""
        last_ros_s, last_steady_s = self._past[-1]
        advanced = abs(ros_s - last_ros_s) > ROUNDING_S
        if advanced:
            self._advanced_s = steady_s
        self._past.append((ros_s, steady_s))
        while len(self._past) > 2 and self._past[1][1] <= steady_s - WINDOW_S:
            self._past.popleft()

        jump_s = (ros_s - last_ros_s) - (steady_s - last_steady_s)
        if steady_s - self._advanced_s > STILL_S:
            still_s = steady_s - self._advanced_s
            return (
                f"ROS time has stood still for {still_s:.2f} s; with use_sim_time, is /clock on?"
            )
        if advanced and abs(jump_s) > JUMP_S:
            self._past = deque([(ros_s, steady_s)])
            return f"ROS time jumped by {jump_s:.3f} s"
        first_ros_s, first_steady_s = self._past[0]
        passed_s = steady_s - first_steady_s
        if passed_s >= WINDOW_S:
            speed = (ros_s - first_ros_s) / passed_s
            if not SLOWEST <= speed <= FASTEST:
                return f"ROS time runs at {speed:.2f} times the speed of time"
        return ""
