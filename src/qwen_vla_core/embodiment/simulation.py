"""What differs when a robot is simulated: how long its measurements may be silent."""

from .schema import Embodiment

SILENCE_FACTOR = 3.0
"""A simulator draws its cameras in the process that publishes joint states, on cores that it
shares with the policy; a robot's driver does neither."""


def in_simulation(embodiment: Embodiment) -> Embodiment:
    """The same robot, whose joint states and odometry may be silent for three times as long."""
    watchdogs = embodiment.watchdogs
    longer = {
        key: SILENCE_FACTOR * getattr(watchdogs, key)
        for key in ("joint_states_s", "odometry_s")
        if getattr(watchdogs, key) is not None
    }
    return embodiment.model_copy(update={"watchdogs": watchdogs.model_copy(update=longer)})
