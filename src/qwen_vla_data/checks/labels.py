"""Instruction and time: what a training reads beside numbers and images."""

import numpy as np

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.errors import InstructionError
from qwen_vla_core.instruction import check_instruction

from ..episode import Episode
from .finding import Finding, seconds_of, shortened

LATE = 1.5
"""A step that comes after this many steps' time is a gap."""


def instruction_findings(episode: Episode) -> list[Finding]:
    """Sentences that no policy would take."""
    findings = []
    for sentence in episode.instructions:
        try:
            check_instruction(sentence)
        except InstructionError as error:
            findings.append(Finding(second=0.0, what=f"instruction '{sentence[:40]}': {error}"))
    return findings


def time_findings(episode: Episode, robot: Embodiment) -> list[Finding]:
    """Steps that are missing, and time that does not go on.

    A robot that acts more often than its cameras see (50 Hz, 30 Hz) has the same stamp in
    neighbouring steps; a gap is then measured against the time from one image to the next.
    """
    steps = len(episode.states_TS)
    if steps < 2:
        return [Finding(second=0.0, what=f"{steps} steps: there is nothing to learn from")]
    if episode.stamps_T is None:
        return []
    if not np.isfinite(episode.stamps_T).all():
        return [Finding(second=0.0, what="stamps are NaN or infinite")]
    seconds_T = seconds_of(episode, robot)
    step_s = episode.stride * robot.action_step_s
    gaps_T = np.diff(seconds_T)
    if not gaps_T.any():
        return [Finding(second=0.0, what="time stands still: all stamps are the same")]
    rising = gaps_T[gaps_T > 0.0]
    repeats = bool((gaps_T == 0.0).any() and rising.size)
    usual_s = max(step_s, float(np.median(rising))) if repeats else step_s
    findings = [
        Finding(
            second=float(seconds_T[t]),
            what=f"gap of {gaps_T[t]:.2f} s between two steps, which come every {step_s:g} s",
        )
        for t in np.flatnonzero(gaps_T > LATE * usual_s)
    ]
    back = [
        Finding(second=float(seconds_T[t]), what=f"the next stamp is {-gaps_T[t]:.3f} s earlier")
        for t in np.flatnonzero(gaps_T < 0.0)
    ]
    return shortened(findings) + shortened(back)
