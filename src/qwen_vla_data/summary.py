"""What there is to say of an episode in one line."""

from dataclasses import dataclass

import numpy as np

from qwen_vla_core.embodiment import Embodiment

from .checks.finding import seconds_of
from .episode import Episode


@dataclass(frozen=True, kw_only=True)
class EpisodeSummary:
    """One episode.

    Attributes:
        steps: recorded ones. length_s: from the first to the last, and one step more, s.
        rate_hz: of the recorded steps. longest_gap_s: between two of them.
        instruction: the one that was followed. sentences: how many there are.
        success: None where nobody judged.
        intervention_share: of the steps, those in which a person had the robot; None where that
            was not recorded.
        unobserved: steps at which the robot could not be observed. left_out: what of the
            recording is not in the episode, and why; None where that is nothing.
        cameras: their names. megabytes: of encoded images.
    """

    steps: int
    length_s: float
    rate_hz: float
    longest_gap_s: float
    instruction: str
    sentences: int
    success: bool | None
    intervention_share: float | None
    unobserved: int
    left_out: str | None
    cameras: tuple[str, ...]
    megabytes: float


def summary_of(episode: Episode, robot: Embodiment) -> EpisodeSummary:
    """Sum up an episode."""
    steps, step_s = len(episode.states_TS), episode.stride * robot.action_step_s
    gaps_T = np.diff(seconds_of(episode, robot))
    length_s = float(gaps_T.sum()) + step_s
    share = None if episode.interventions_T is None else float(episode.interventions_T.mean())
    return EpisodeSummary(
        steps=steps,
        length_s=length_s,
        rate_hz=steps / length_s,
        longest_gap_s=float(gaps_T.max(initial=0.0)),
        instruction=episode.instructions[0],
        sentences=len(episode.instructions),
        success=episode.success,
        intervention_share=share,
        unobserved=0 if episode.observed_T is None else int((~episode.observed_T).sum()),
        left_out=episode.left_out,
        cameras=tuple(episode.images),
        megabytes=sum(len(data) for frames in episode.images.values() for data in frames) / 1e6,
    )
