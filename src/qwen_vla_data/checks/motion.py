"""Whether the actions explain the motion: a robot follows its commands, soon, and never before."""

import numpy as np

from qwen_vla_core.embodiment import EmbodimentCodec, Group
from qwen_vla_core.embodiment.schema import EeDelta

from ..episode import Episode
from .finding import Finding, seconds_of

LONGEST_LAG_S = 0.6
"""Arms of hobby servos follow within 0.1 to 0.3 s."""
LAG_STEP = 0.25
"""Delays are tried at every quarter of a recorded step."""
ASIDE = 0.3
"""Channels that range over less than this share of the others are moved along with them: what is
left of a servo's play, and of a tool that was meant to stay level."""
EXPLAINED = 0.3
"""The share of a channel's variance that commands must explain, at the best delay."""
LESS_THAN_BEFORE = 0.8
"""How much better commands that come after the motion must explain it: more than noise can."""
AHEAD_S = 0.05
"""How much newer than the command's image a measurement may be."""
MOVES = {"rad": 0.1, "m": 0.02}
"""Channels that range over less are at rest."""


def motion_findings(episode: Episode, codec: EmbodimentCodec) -> list[Finding]:
    """States that do not follow what was commanded, each state channel by itself.

    Where contact makes them differ (``tracking_limit: null``, a gripper that holds something) and
    of a base, whose pose is no state, nothing is expected.
    """
    robot, findings = codec.embodiment, []
    if len(episode.states_TS) < 4 or not np.isfinite(episode.commanded_TD).all():
        return findings
    wanted_TS = np.stack([codec.state(c_D) for c_D in episode.commanded_TD.astype(float)])
    seconds_T = seconds_of(episode, robot)
    step_s = episode.stride * robot.action_step_s
    channel = 0
    for group in robot.groups:
        names, first = group.state_channels, channel
        channel += len(names)
        if group.is_base or group.tracking_limit is None:
            continue
        end = first + len(names)
        wanted, seen = wanted_TS[:, first:end], episode.states_TS[:, first:end].astype(float)
        for places, unit in _alike(group):
            if unit == "rad":
                wanted[:, places], seen[:, places] = (
                    np.unwrap(angles, axis=0) for angles in (wanted[:, places], seen[:, places])
                )
            ranges = np.maximum(np.ptp(seen[:, places], axis=0), np.ptp(wanted[:, places], axis=0))
            least = max(MOVES[unit], ASIDE * ranges.max(initial=0.0))
            for place in np.array(places)[ranges >= least]:
                findings += _of_channel(
                    names[place], unit, wanted[:, place], seen[:, place], seconds_T, step_s
                )
    return findings


def _alike(group: Group) -> list[tuple[list[int], str]]:
    """State channels that move together, and their unit: a tool's place, its rotation, joints."""
    channels = len(group.state_channels)
    if isinstance(group.action, EeDelta):
        return [([0, 1, 2], "m"), (list(range(3, channels)), "rad")]
    return [(list(range(channels)), "rad")]


def _of_channel(
    name: str,
    unit: str,
    wanted_T: np.ndarray,
    seen_T: np.ndarray,
    seconds_T: np.ndarray,
    step_s: float,
) -> list[Finding]:
    moved, asked = np.ptp(seen_T), np.ptp(wanted_T)
    if not np.isfinite(seen_T).all():
        return []
    if moved < 0.1 * asked:
        return [
            Finding(second=0.0, what=f"{name} was sent over {asked:.3g} {unit} and stood still")
        ]
    lags = np.arange(0.0, max(LONGEST_LAG_S / step_s, 1.0) + LAG_STEP, LAG_STEP)
    after = min(_left(wanted_T, seen_T, lag) for lag in lags)
    left = [_left(seen_T, wanted_T, lag) for lag in lags[1:]]
    before, ahead = min(left), lags[1 + int(np.argmin(left))]
    t = int(np.argmax(np.abs(seen_T - wanted_T)))
    if before < LESS_THAN_BEFORE * after and after > 0.02 and ahead * step_s > AHEAD_S:
        return [
            Finding(
                second=float(seconds_T[t]),
                what=f"{name} moves {ahead * step_s:.2g} s before its commands: they are shifted, "
                "or what was measured was taken for what was commanded",
            )
        ]
    if after > 1.0 - EXPLAINED:
        return [
            Finding(
                second=float(seconds_T[t]),
                what=f"{name} does not follow its commands: they explain "
                f"{max(0.0, 1.0 - after):.0%} of its motion, and it is "
                f"{abs(seen_T[t] - wanted_T[t]):.3g} {unit} away here",
            )
        ]
    return []


def _left(leads_T: np.ndarray, follows_T: np.ndarray, lag: float) -> float:
    """Share of a follower's variance that is left if it repeats its leader ``lag`` steps later."""
    steps_T = np.arange(len(leads_T))
    known_T = steps_T >= lag
    led_T = np.interp(steps_T[known_T] - lag, steps_T, leads_T)
    return float(np.var(follows_T[known_T] - led_T) / max(np.var(follows_T[known_T]), 1e-12))
