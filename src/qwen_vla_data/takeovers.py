"""Who had the robot: nobody, a person, or a policy, and where a person took it from the policy."""

import numpy as np

from qwen_vla_core.modes import Mode

from .episode import Episode

DRIVEN = (Mode.TELEOP, Mode.AUTONOMY)
"""Modes in which a person or a policy moves the robot."""
BEFORE_S = 1.0
"""A person needs about as long to see that something goes wrong and to take over. What the policy
did in that time is what it must not learn again."""


def taken_over(episode: Episode) -> np.ndarray:
    """Steps in which a person had the robot after the policy had had it, bool [T]."""
    person_T, policy_T = _person(episode), _policy(episode)
    return person_T & np.maximum.accumulate(policy_T)


def went_wrong(episode: Episode, step_s: float) -> np.ndarray:
    """The policy's steps of the last ``BEFORE_S`` before a person took over, bool [T].

    Args:
        step_s: time from one recorded step to the next, s.
    """
    person_T, policy_T = _person(episode), _policy(episode)
    wrong_T = np.zeros(len(person_T), dtype=bool)
    for t in np.flatnonzero(person_T[1:] & policy_T[:-1]) + 1:
        wrong_T[max(t - round(BEFORE_S / step_s), 0) : t] = True
    return wrong_T & policy_T


def driven(episode: Episode) -> np.ndarray:
    """Steps in which a person or a policy moved the robot, bool [T]; all where nobody wrote it.

    A recording begins before a person engages and ends after the robot holds. Who learned from
    that would learn to stand still at the start.
    """
    if episode.modes_T is None:
        return np.ones(len(episode.states_TS), dtype=bool)
    return np.isin(episode.modes_T, [mode.value for mode in DRIVEN])


def _person(episode: Episode) -> np.ndarray:
    if episode.interventions_T is None:
        return np.zeros(len(episode.states_TS), dtype=bool)
    return np.asarray(episode.interventions_T, dtype=bool)


def _policy(episode: Episode) -> np.ndarray:
    if episode.modes_T is None:
        return np.zeros(len(episode.states_TS), dtype=bool)
    return np.asarray(episode.modes_T) == Mode.AUTONOMY.value
