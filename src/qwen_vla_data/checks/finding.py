"""A finding, and spans of time in which something is true."""

from dataclasses import dataclass

import numpy as np

from qwen_vla_core.embodiment import Embodiment

from ..episode import Episode

SHOWN = 3
"""How many findings of one kind are listed for an episode; the rest are counted."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that a person should look at.

    Attributes:
        second: when, counted from the beginning of the episode, s.
        what: in words, with the names of joints, cameras or channels, and what to do.
    """

    second: float
    what: str


def seconds_of(episode: Episode, robot: Embodiment) -> np.ndarray:
    """When each step was, s from the first, [T]: by its stamps, or by the action steps."""
    if episode.stamps_T is not None:
        return episode.stamps_T - episode.stamps_T[0]
    return np.arange(len(episode.states_TS)) * episode.stride * robot.action_step_s


def spans(true_T: np.ndarray) -> list[tuple[int, int]]:
    """First and last step of each run of steps for which something is true."""
    edges = np.diff(np.concatenate([[0], true_T.astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def shortened(findings: list[Finding]) -> list[Finding]:
    """The first few of one kind, the last of which says how many more there are."""
    if len(findings) <= SHOWN:
        return findings
    last = findings[SHOWN - 1]
    more = f"{last.what} (and {len(findings) - SHOWN} more)"
    return [*findings[: SHOWN - 1], Finding(second=last.second, what=more)]
