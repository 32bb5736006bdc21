"""What the plan means, in a sentence: who sees one image knows what the robot will do next."""

import numpy as np

from .description import Event, PlannedPath, Scene

STILL_M = 0.01
"""A tool or base that ends nearer to where it is stays, m."""
STILL_RAD = 0.03
_AXES = (("ahead", "back"), ("left", "right"), ("up", "down"))


def plan_words(scene: Scene) -> str:
    """What is still to come of the plan, in its order; empty without one.

    Such as "within 1.9 s: arm 8 cm down, 3 cm right, gripper closes (in 0.5 s), then 12 cm up".
    Directions are the robot's own: of an arm on a base, those of the base.
    """
    base = next((path for path in scene.plan if path.headings_T is not None), None)
    said = []
    for path in scene.plan:
        if path.due_in_T[-1] < 0.0:
            continue
        if path is base:
            said.append(f"{_plain(path.group)} {_drive(path, _now(path))}")
        else:
            said.append(_tool_words(path, _from_base(path, base), scene.events))
    if not said:
        return ""
    end_s = max(path.due_in_T[-1] for path in scene.plan)
    return f"within {end_s:.1f} s: {'; '.join(said)}"


def _tool_words(path: PlannedPath, points_T3: np.ndarray, events: tuple[Event, ...]) -> str:
    """From now to each thing that its gripper does, and from there to the end."""
    start, last, said = _now(path), len(points_T3) - 1, []
    for event in sorted(events, key=lambda event: event.due_in_s):
        if event.arm != path.group:
            continue
        k = min(int(np.searchsorted(path.due_in_T, event.due_in_s - 1e-6)), last)
        if way := _way(points_T3[k] - points_T3[start]):
            said.append(f"then {way}" if said else f"{_plain(path.group)} {way}")
        said.append(f"{_plain(event.group)} {event.text} (in {event.due_in_s:.1f} s)")
        start = k
    way = _way(points_T3[last] - points_T3[start])
    if said:
        return ", ".join([*said, f"then {way}"] if way else said)
    return f"{_plain(path.group)} {way or 'stays'}"


def _now(path: PlannedPath) -> int:
    """The first point that is still to come."""
    return int(np.argmax(path.due_in_T >= 0.0))


def _from_base(path: PlannedPath, base: PlannedPath | None) -> np.ndarray:
    """The places of a tool [T, 3] as its base sees them, which moves meanwhile."""
    if base is None:
        return path.points_T3
    x_T, y_T, z_T = (path.points_T3 - base.points_T3).T
    cos_T, sin_T = np.cos(base.headings_T), np.sin(base.headings_T)
    return np.stack([cos_T * x_T + sin_T * y_T, cos_T * y_T - sin_T * x_T, z_T], axis=1)


def _way(by_3: np.ndarray) -> str:
    """A displacement, the longest part first; empty for none."""
    parts = [
        (abs(by), more if by > 0.0 else less)
        for by, (more, less) in zip(by_3, _AXES, strict=True)
        if abs(by) >= STILL_M
    ]
    return ", ".join(f"{100.0 * by:.0f} cm {where}" for by, where in sorted(parts)[::-1])


def _drive(path: PlannedPath, now: int) -> str:
    """A base moves along its own axes."""
    by_3, heading = path.points_T3[-1] - path.points_T3[now], path.headings_T[now]
    cos, sin = np.cos(heading), np.sin(heading)
    way = _way(np.array([cos * by_3[0] + sin * by_3[1], cos * by_3[1] - sin * by_3[0], 0.0]))
    turn = path.headings_T[-1] - heading
    parts = [f"drives {way}"] if way else []
    if abs(turn) >= STILL_RAD:
        side = "left" if turn > 0.0 else "right"
        parts.append(f"turns {np.degrees(abs(turn)):.0f} degrees {side}")
    return ", ".join(parts) or "stays"


def _plain(name: str) -> str:
    return name.replace("_", " ")
