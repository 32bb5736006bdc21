"""A gripper in pwm mode, period by period: what effort it gets, and what is left on at the end.

The servo keeps its last effort for ever. A gripper that holds something has to keep it when
commands end, or it would drop it; one that is on its way has to lose it, or it would go on to its
stop with nobody watching.
"""

from .gripper_drive import pwm_for

HOLDING_AFTER_S = 0.15
"""Time without motion, although effort is on, after which the finger counts as blocked, s."""

STILL_M = 3e-4
"""Less than this is no motion, m; at Bridge's effort a free finger moves fifteen times as far in
``HOLDING_AFTER_S``, and a step of the servo's encoder is a tenth of it."""


class PwmGripper:
    """The effort of one gripper.

    Attributes:
        effort: PWM that it was given last; None before the first.
    """

    def __init__(self, *, gain_per_m: float, pwm_limit: float, stale_s: float) -> None:
        """Nothing is commanded yet.

        Args:
            gain_per_m: part of full effort per metre of error.
            pwm_limit: full effort.
            stale_s: how long a measurement may repeat before it counts as missing, s. A finger
                counts as still only after this and ``HOLDING_AFTER_S``, so that it was measured to
                be still, and not merely not measured.
        """
        self._gain_per_m, self._pwm_limit = gain_per_m, pwm_limit
        self._holding_after_s = HOLDING_AFTER_S + stale_s
        self.effort: float | None = None
        self._still_at_m = self._still_since_s = self._measured_s = 0.0

    def command(self, command_m: float, measured_m: float | None, now_s: float) -> float:
        """PWM for this period.

        Without a measurement there is no effort, but for a gripper that was holding something: it
        keeps what it had.

        Args:
            command_m: where the finger should be, m.
            measured_m: where it is, m; None while that is not known.
            now_s: steady time, s.
        """
        if measured_m is None:
            self.effort = self.final_effort()
        else:
            effort = pwm_for(command_m - measured_m, self._gain_per_m, self._pwm_limit)
            pushed_this_way = self.effort is not None and self.effort * effort > 0.0
            if not pushed_this_way or abs(measured_m - self._still_at_m) > STILL_M:
                self._still_at_m, self._still_since_s = measured_m, now_s
            self.effort, self._measured_s = effort, now_s
        return self.effort

    def final_effort(self) -> float:
        """PWM to leave on when commanding ends: what holds something, or none."""
        still_s = self._measured_s - self._still_since_s
        return self.effort if self.effort and still_s >= self._holding_after_s else 0.0
