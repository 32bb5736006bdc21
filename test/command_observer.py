"""Watches commands from outside. It shares no code with the safety filter, and must not."""

import math

ROUNDING = 1e-9


class CommandObserver:
    """Asserts that every command is finite, within limits and not too fast.

    It looks at one joint after the other with plain floats and knows nothing but what was sent.
    """

    def __init__(self, *, lower, upper, velocity, acceleration=None, recovery_speed=0.0175):
        self.lower, self.upper, self.velocity = lower, upper, velocity
        self.acceleration = acceleration  # None: not checked, for clocks that jitter
        self.recovery_speed = recovery_speed
        self.last = None
        self.speeds = [0.0] * len(lower)

    def see(self, command, dt_s):
        """A command was sent ``dt_s`` after the one before; the first one is only remembered."""
        command = [float(value) for value in command]
        assert all(math.isfinite(value) for value in command), command
        if self.last is not None:
            for joint in range(len(command)):
                self._check(joint, self.last[joint], command[joint], dt_s)
        self.last = command

    def _check(self, joint, last, now, dt_s):
        lower, upper = self.lower[joint], self.upper[joint]
        if lower <= last <= upper:
            assert lower <= now <= upper, f"joint {joint} went from {last} out to {now}"
        else:
            inwards = (now - last) if last < lower else (last - now)
            fastest = self.recovery_speed * dt_s + ROUNDING
            assert 0.0 <= inwards <= fastest, f"joint {joint} came in by {inwards} from outside"
        moved = abs(now - last)
        assert moved <= self.velocity[joint] * dt_s + ROUNDING, f"joint {joint} moved {moved}"
        speed = (now - last) / dt_s
        held = now == last  # stopping is immediate and knows no acceleration limit
        if self.acceleration is not None and not held:
            change = abs(speed - self.speeds[joint])
            allowed = self.acceleration[joint] * dt_s + ROUNDING / dt_s
            assert change <= allowed, f"joint {joint} changed speed by {change}, not {allowed}"
        self.speeds[joint] = speed


class BaseObserver:
    """Asserts that every velocity sent to a base is finite, not too high and not too sudden.

    It knows a base by two numbers, ahead and turning. A stop to exactly zero may be immediate.
    """

    def __init__(self, *, velocity, acceleration):
        self.velocity, self.acceleration = velocity, acceleration
        self.last = [0.0, 0.0]

    def see(self, ahead, turn, dt_s):
        """A velocity was sent ``dt_s`` after the one before."""
        now = [float(ahead), float(turn)]
        assert all(math.isfinite(value) for value in now), now
        for k in range(2):
            assert abs(now[k]) <= self.velocity[k] + ROUNDING, f"velocity {k} is {now[k]}"
        if now != [0.0, 0.0]:
            for k in range(2):
                change = abs(now[k] - self.last[k])
                allowed = self.acceleration[k] * dt_s + ROUNDING
                assert change <= allowed, f"velocity {k} changed by {change}, not {allowed}"
        self.last = now
