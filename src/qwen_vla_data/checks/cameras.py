"""Cameras that were exchanged: by what moves in their images, and beside other episodes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.schema import Gripper

from ..episode import Episode
from .finding import Finding
from .images import side_of

STILL = 3.0
"""A pixel of a thumbnail that varies by less, of 255, saw nothing move."""
STILLER = 0.15
"""A camera that stands still sees more of its image still than one on a wrist that moves. Were
it less, by this share of the image, the two were exchanged."""
TRAVELLED = 0.5
"""In shares of the joints' ranges: an arm that moved less tells nothing."""
CLEARER = 0.5
"""How much better the correlations must be with the wrists' cameras exchanged."""
NEARER = 0.5
"""How much more like the others an episode must be with two cameras exchanged."""
DIFFERENT = 12.0
"""Mean difference of two thumbnails, of 255, of cameras that look at different things; moved
objects make up to half of it."""
FEWEST = 4
"""Episodes without which nobody knows which of two is the odd one."""
EXCHANGED = "are exchanged: compare their topics, and the devices' serial numbers"


@dataclass(frozen=True, kw_only=True, eq=False)
class CameraLook:
    """What a camera saw first, when the robot stood at its start: float32 [24, 24, 3]."""

    name: str
    first: np.ndarray


def swapped_within(
    episode: Episode, robot: Embodiment, thumbnails: Mapping[str, np.ndarray]
) -> list[Finding]:
    """Cameras whose images move with the wrong arm, or with one although they stand still.

    Args:
        thumbnails: camera -> float32 [T, 24, 24, 3].
    """
    speed_T = {side: _speed(episode, robot, side) for side in ("left", "right")}
    cameras = {side_of(c): c for c in robot.cameras if c.name in thumbnails and not c.is_depth}
    findings = []
    left, right, ego = (cameras.get(side) for side in ("left", "right", ""))
    if left is not None and right is not None:
        change = {side: _change(thumbnails[cameras[side].name]) for side in ("left", "right")}
        as_is, exchanged = (
            sum(_correlation(change[side], speed_T[other]) for side, other in pairs)
            for pairs in (
                (("left", "left"), ("right", "right")),
                (("left", "right"), ("right", "left")),
            )
        )
        if exchanged > as_is + CLEARER:
            what = f"{left.name} moves with the right arm and {right.name} with the left: they"
            findings.append(Finding(second=0.0, what=f"{what} {EXCHANGED}"))
    side = max(speed_T, key=lambda side: speed_T[side].sum())
    wrist = cameras.get(side)
    if ego is not None and wrist is not None and robot.base is None:
        moved = speed_T[side].sum() > TRAVELLED
        share = {c.name: _still(thumbnails[c.name]) for c in (ego, wrist)}
        if moved and share[wrist.name] > share[ego.name] + STILLER:
            what = f"{ego.name} moves with the arm and {wrist.name} stands still: they"
            findings.append(Finding(second=0.0, what=f"{what} {EXCHANGED}"))
    return findings


def looks_of(thumbnails: Mapping[str, np.ndarray]) -> tuple[CameraLook, ...]:
    """What is kept of an episode to compare it with others."""
    return tuple(
        CameraLook(name=name, first=np.nan_to_num(small[0])) for name, small in thumbnails.items()
    )


def swapped_between_episodes(episodes: Sequence[Sequence[CameraLook]]) -> dict[int, list[Finding]]:
    """Episodes in which two cameras look like each other's images in most of the others.

    Returns:
        Number of an episode -> findings, for those that have some.
    """
    looks = [{look.name: look.first for look in episode} for episode in episodes]
    names = sorted(set.intersection(*(set(look) for look in looks))) if looks else []
    findings: dict[int, list[Finding]] = {}
    if len(looks) < FEWEST:
        return findings
    usual = {name: np.median([look[name] for look in looks], axis=0) for name in names}
    for number, look in enumerate(looks):
        for a, b in combinations(names, 2):
            as_is = _apart(look[a], usual[a]) + _apart(look[b], usual[b])
            exchanged = _apart(look[a], usual[b]) + _apart(look[b], usual[a])
            if as_is > 2.0 * DIFFERENT and exchanged < NEARER * as_is:
                what = f"{a} looks like {b} of the other episodes, and {b} like {a}: they"
                findings.setdefault(number, []).append(
                    Finding(second=0.0, what=f"{what} {EXCHANGED}")
                )
    return findings


def _speed(episode: Episode, robot: Embodiment, side: str) -> np.ndarray:
    """How fast an arm's joints move, [T - 1], in shares of their ranges per step."""
    total_T = np.zeros(max(len(episode.commanded_TD) - 1, 0))
    source_TD = episode.commanded_TD if episode.positions_TD is None else episode.positions_TD
    for group in robot.groups:
        if group.is_base or group.side != side or isinstance(group.action, Gripper):
            continue
        ranges = np.array([joint.upper - joint.lower for joint in group.joints])
        steps = np.abs(np.diff(source_TD[:, robot.group_slice(group.name)], axis=0))
        total_T += (steps / ranges).sum(1)
    return np.where(total_T > 1e-4, total_T, 0.0)


def _change(small: np.ndarray) -> np.ndarray:
    """Mean change from one thumbnail to the next, [T - 1]."""
    return np.nan_to_num(np.abs(np.diff(small, axis=0)).mean((1, 2, 3)))


def _still(small: np.ndarray) -> float:
    """Share of the image in which nothing moves."""
    with np.errstate(all="ignore"):
        return float((np.nanstd(small, axis=0).max(-1) < STILL).mean())


def _correlation(a_T: np.ndarray, b_T: np.ndarray) -> float:
    """Pearson's, 0 where one of them is constant."""
    if len(a_T) < 3 or min(a_T.std(), b_T.std()) < 1e-9:
        return 0.0
    return float(np.corrcoef(a_T, b_T)[0, 1])


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).mean())
