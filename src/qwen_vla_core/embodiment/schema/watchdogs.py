"""How long each part of a robot may be silent."""

from ...yaml_file import Strict, WrongKey
from .values import Positive

LONGEST_BASE_OBSERVATION_S = 1.0
"""A base drives on for that long at most after what it saw; at 0.5 m/s that is half a metre."""


class Watchdogs(Strict):
    """How long each part may be silent, s. Zero does not exist: silence is always a fault."""

    joint_states_s: Positive | None = None
    """Of every joint state topic; None for a robot that is a base alone."""
    odometry_s: Positive | None = None
    """Of the base's odometry; None for a robot without a base."""
    camera_skew_s: Positive
    """Largest time between the views of one observation."""
    frozen_camera_s: Positive | None
    """New stamps with identical pixels for this long count as a frozen camera; null in simulation,
    where a still scene really is identical."""
    teleop_s: Positive
    observation_s: Positive
    """Longest age of the observation whose chunk is being followed, from its stamp on; older, the
    robot holds. At most a chunk, and at most ``LONGEST_BASE_OBSERVATION_S`` with a base."""
    policy_s: Positive
    """How old the last chunk may be when a person engages, and how long autonomy waits, holding,
    for a chunk that continues; then a person must engage again."""
    estop_heartbeat_s: Positive | None = None
    """Each publisher of ``estop`` repeats itself at least that often; one that falls silent for
    longer counts as pressed. None: it publishes only when it is pressed or released."""

    def check_fit(self, *, arms: bool, base: bool, step_s: float, chunk_s: float) -> None:
        """Refuse times that are not those of a robot with these parts, steps and chunks.

        Raises:
            WrongKey: below ``watchdogs`` of the embodiment.
        """
        for key, measured in (("joint_states_s", arms), ("odometry_s", base)):
            if (getattr(self, key) is not None) != measured:
                raise WrongKey(
                    ("watchdogs", key),
                    "is missing" if measured else "this robot has none; remove this key",
                )
        longest_s = min(chunk_s, LONGEST_BASE_OBSERVATION_S) if base else chunk_s
        key, age_s = ("watchdogs", "observation_s"), self.observation_s
        if age_s > longest_s + 1e-9:
            raise WrongKey(
                key,
                f"{age_s:g} is above {longest_s:g}: at most a chunk, {chunk_s:g} s, and at most "
                f"{LONGEST_BASE_OBSERVATION_S:g} s with a base",
            )
        if age_s <= step_s:
            raise WrongKey(
                key,
                f"{age_s:g} is no longer than an action step, {step_s:g} s; no chunk would be "
                "followed to the next one",
            )
