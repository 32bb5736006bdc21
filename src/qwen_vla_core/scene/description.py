"""The parts of a scene, and their form in JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import numpy as np

DECIMALS = 4
"""In JSON: a tenth of a millimetre, a tenth of a millisecond."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """What the nodes say of themselves, as far as it was received.

    Attributes:
        mode: HOLD, START, TELEOP, AUTONOMY or ESTOP; empty before control_node was heard.
        reason: why it is in this mode, in words.
        instruction: the task in words.
        inference_ms: how long a chunk takes, median.
        image_ages_s: camera -> age of its newest image, s.
        limited: joint -> which rule of the safety filter holds it back, in words.
    """

    mode: str = ""
    reason: str = ""
    instruction: str = ""
    inference_ms: float | None = None
    image_ages_s: Mapping[str, float] = field(default_factory=dict)
    limited: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class PlannedPath:
    """Where the present chunk leads a tool, or a base.

    Attributes:
        group: an arm, or the base.
        points_T3: places [T, 3], m; those of a base lie on the floor.
        due_in_T: seconds until each is executed, [T]; negative: over.
        colours_T3: of each point, by that time.
        committed: number of leading points that were fixed when the chunk was requested.
        headings_T: of a base, rad, [T]; None for a tool.
    """

    group: str
    points_T3: np.ndarray
    due_in_T: np.ndarray
    colours_T3: np.ndarray
    committed: int
    headings_T: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class OldPath:
    """Where an earlier chunk had led; ``opacity`` falls from 1 to 0 while it fades.

    Beside ``ExecutedPath`` it shows whether the robot did what it said.
    """

    group: str
    points_T3: np.ndarray
    opacity: float


@dataclass(frozen=True, kw_only=True, eq=False)
class ExecutedPath:
    """Where a tool or the base really was in the last seconds, [T, 3], oldest first."""

    group: str
    points_T3: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Event:
    """Something that the chunk does at one place, such as ``closes`` of a gripper.

    Attributes:
        group: the gripper. arm: whose it is. text: what it does.
        point_3: where its tool is then, [3], m.
        due_in_s: seconds until then.
    """

    group: str
    arm: str
    text: str
    point_3: np.ndarray
    due_in_s: float


@dataclass(frozen=True, kw_only=True, eq=False)
class LimitHit:
    """A joint at a limit.

    Attributes:
        joint: its name. text: which limit, and when.
        point_3: where the joint is, [3], m; None where its place is not known.
    """

    joint: str
    text: str
    point_3: np.ndarray | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """All there is to draw at one moment.

    Attributes:
        stamp_s: ROS time, s.
        frame: in which everything is.
        status: as given.
        joints: measured positions by name, rad or m, those of a base its pose in ``frame``; empty
            until every joint was received.
        commanded: what was sent last, by name; a base's is left out.
        ghost: the robot at the end of the present chunk, as ``joints``; None without a chunk.
        plan: the present chunk, a path for each arm and for the base.
        events: what the grippers do in it.
        old_plans: earlier chunks, oldest first.
        executed: what was done, beside them.
        limits: joints at a limit.
        footprints: outlines of a base on the floor, [N, 4, 3], m: where it is, then at the
            chunk's waypoints, the last at its end. Empty where the embodiment has no footprint.
    """

    stamp_s: float
    frame: str
    status: Status
    joints: Mapping[str, float]
    commanded: Mapping[str, float]
    ghost: Mapping[str, float] | None
    plan: tuple[PlannedPath, ...]
    events: tuple[Event, ...]
    old_plans: tuple[OldPath, ...]
    executed: tuple[ExecutedPath, ...]
    limits: tuple[LimitHit, ...]
    footprints: np.ndarray


def as_json(scene: Scene) -> dict[str, Any]:
    """The scene in JSON's types: attributes are keys, without the shape at their end.

    ``points_T3`` is ``points``, ``due_in_T`` is ``due_in``. What is infinite is null.
    """
    return _plain(scene)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {_key(part.name): _plain(getattr(value, part.name)) for part in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray):
        return np.round(value, DECIMALS).tolist()
    if isinstance(value, tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return round(value, DECIMALS) if np.isfinite(value) else None
    return value


def _key(name: str) -> str:
    stem, _, shape = name.rpartition("_")
    return stem if shape in ("T", "T3", "3") else name
