"""What stops a robot before everything else on the machine, where the system allows that."""

import os

PRIORITY = 50
"""As ros2_control's controller_manager."""

PRIORITY_OF_HANDS = PRIORITY - 1
"""teleop_node carries a dead-man and an emergency stop; control_node never waits for it."""


def run_first(priority: int = PRIORITY) -> None:
    """Have this thread, and those that it starts, run before all that is not real-time.

    Beside two busy processes on two cores, commands would otherwise come up to 100 ms late, and so
    would the emergency stop of a gamepad. It needs the right to it (``ulimit -r``); without,
    everything stays as it is.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except (OSError, AttributeError):  # not permitted; not Linux
        return


def runs_first() -> bool:
    """Whether ``run_first`` was allowed."""
    getting = getattr(os, "sched_getscheduler", None)
    return getting is not None and getting(0) == os.SCHED_FIFO
