"""Remembers what was received of one robot, and makes the scene of any moment from it."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..embodiment import Embodiment, Group
from ..types import ActionChunk
from .colours import time_colours
from .description import (
    Event,
    ExecutedPath,
    LimitHit,
    OldPath,
    PlannedPath,
    Scene,
    Status,
)
from .robot_model import RobotModel
from .urdf import ANYWHERE, arms, grippers_of, scene_frame

EXECUTED_S = 4.0
"""How long what was executed is drawn, s."""
FADE_S = 3.0
"""How long an old plan takes to fade, s."""
OLD_PLANS = 6
"""How many fade at a time; an ALOHA makes twelve a second, which nobody can tell apart."""
POSES = 256
"""Poses of a base that are remembered to place a chunk by its stamp: 5 s at 50 Hz."""
LIMIT_MARGIN = 5e-3
"""This near, a joint is at its limit, rad or m: three steps of a servo's encoder."""
GRIP_SHARE = 0.5
"""The share of its stroke that a gripper has to cross in a chunk to open or close."""
FOOTPRINTS = 5
"""At how many waypoints of a chunk a base's outline is drawn, its end among them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Plan:
    """A chunk with all that kinematics had to say of it."""

    chunk: ActionChunk
    committed: int
    positions_TD: np.ndarray  # those of a base in the scene
    paths: Mapping[str, np.ndarray]
    replaced_s: float = 0.0


class SceneMaker:
    """One robot; single-threaded, and time enters as an argument."""

    def __init__(self, embodiment: Embodiment) -> None:
        """Know nothing yet of where the robot is."""
        self.frame = scene_frame(embodiment)
        self._embodiment, self._model = embodiment, RobotModel(embodiment)
        self._names = embodiment.joint_names
        base = embodiment.base
        self._base = None if base is None else embodiment.group_slice(base.name)
        self._base_D = np.array(embodiment.base_D)
        self._lower_D = np.array([joint.lower for joint in embodiment.joints])
        self._upper_D = np.array([joint.upper for joint in embodiment.joints])
        # A gripper rests at its ends, and a base's limits are a chunk's.
        self._limited_D = np.array(
            [
                not group.is_base and group.teleop_kind != "gripper"
                for group in embodiment.groups
                for _ in group.joints
            ]
        )
        self.clear()

    def clear(self) -> None:
        """Forget everything, as when a simulation begins again."""
        self._measured_D = np.full(len(self._names), np.nan)
        self._commanded_D = np.full(len(self._names), np.nan)
        self._poses: deque[tuple[float, np.ndarray]] = deque(maxlen=POSES)
        self._executed: deque[tuple[float, dict[str, np.ndarray]]] = deque()
        self._plan: _Plan | None = None
        self._old: deque[_Plan] = deque(maxlen=OLD_PLANS)
        self._drawn_s = -np.inf

    # --- what was received

    def on_joints(self, positions: Mapping[str, float]) -> None:
        """Measured positions by name, of all joints or of some; a base's are its odometry's."""
        pose_3 = None if self._base is None else self._measured_D[self._base].copy()
        _take(positions, self._names, self._measured_D)
        if pose_3 is not None:
            self._measured_D[self._base] = pose_3

    def on_base(self, pose_3: np.ndarray, stamp_s: float) -> None:
        """Odometry: x, y in m and yaw in rad."""
        if self._base is None or not (_usable(pose_3) and np.isfinite(stamp_s)):
            return
        if self._poses and stamp_s < self._poses[-1][0]:
            self._poses.clear()
        self._poses.append((stamp_s, np.array(pose_3, dtype=float)))
        self._measured_D[self._base] = pose_3

    def on_command(self, positions: Mapping[str, float]) -> None:
        """What was sent to the hardware, by name; a base has no commanded position."""
        _take(positions, self._names, self._commanded_D)
        self._commanded_D[self._base_D] = np.nan

    def on_chunk(self, chunk: ActionChunk, now_s: float, prefix_steps: int = 0) -> None:
        """The policy's newest plan; the one before fades from now on.

        Args:
            chunk: joints in the embodiment's order; one of another robot is dropped.
            now_s: ROS time, s.
            prefix_steps: number of its actions that were committed before it was made.
        """
        shown = chunk.positions_TD
        if shown.shape[1] != len(self._names) or not _usable(shown):
            return
        positions_TD = shown.copy()
        if self._base is not None:
            origin = self._pose_at(chunk.stamp_s)
            positions_TD[:, self._base] = _moved(origin, shown[:, self._base])
        paths: dict[str, list[np.ndarray]] = {}
        for positions_D in positions_TD:
            for group, place in self._places(positions_D).items():
                paths.setdefault(group, []).append(place)
        self._retire(now_s)
        self._plan = _Plan(
            chunk=chunk,
            committed=min(prefix_steps + 1, len(positions_TD)) if prefix_steps else 0,
            positions_TD=positions_TD,
            paths={group: np.stack(path) for group, path in paths.items()},
        )

    def _retire(self, now_s: float) -> None:
        """The plan that is replaced begins to fade, unless one from just before it does."""
        if self._plan is None:
            return
        if not self._old or now_s - self._old[-1].replaced_s >= FADE_S / OLD_PLANS:
            plan = self._plan
            self._old.append(
                _Plan(
                    chunk=plan.chunk,
                    committed=plan.committed,
                    positions_TD=plan.positions_TD,
                    paths=plan.paths,
                    replaced_s=now_s,
                )
            )

    # --- what it makes of it

    def scene(self, now_s: float, status: Status) -> Scene:
        """All there is to draw now.

        Args:
            now_s: ROS time, s. If it went back, what was received before is forgotten.
            status: what the nodes say of themselves.
        """
        if now_s < self._drawn_s - 1.0:
            self.clear()
        self._drawn_s = now_s
        measured = bool(np.isfinite(self._measured_D).all())
        if measured:
            self._executed.append((now_s, self._places(self._measured_D)))
        while self._executed and self._executed[0][0] < now_s - EXECUTED_S:
            self._executed.popleft()
        plan = self._plan
        over_s = 0.0 if plan is None else now_s - plan.chunk.end_s
        if over_s > 0.0:  # it is played: nothing of it is to come
            self._retire(now_s)
            self._plan = plan = None
        while self._old and now_s - self._old[0].replaced_s >= FADE_S:
            self._old.popleft()
        return Scene(
            stamp_s=now_s,
            frame=self.frame,
            status=status,
            joints=self._named(self._measured_D) if measured else {},
            commanded=self._named(self._commanded_D),
            ghost=None if plan is None else self._named(plan.positions_TD[-1]),
            plan=() if plan is None else self._planned(plan, now_s),
            events=() if plan is None else self._events(plan, now_s),
            old_plans=self._old_paths(now_s),
            executed=self._executed_paths(),
            limits=self._limits(plan, now_s, status, measured),
            footprints=self._footprints(plan, measured),
        )

    def link_poses(self, joints: Mapping[str, float]) -> dict[str, np.ndarray]:
        """Pose [4, 4] of every link of ``robot_urdf`` for ``Scene.joints`` or ``Scene.ghost``."""
        self._model.move(np.array([joints[name] for name in self._names]))
        return self._model.link_poses()

    def _named(self, positions_D: np.ndarray) -> dict[str, float]:
        return {
            name: float(position)
            for name, position in zip(self._names, positions_D, strict=True)
            if np.isfinite(position)
        }

    def _places(self, positions_D: np.ndarray) -> dict[str, np.ndarray]:
        """Where the tools and the base are, [3] each, m; only for finite positions."""
        self._model.move(positions_D)
        places = self._model.tools()
        if self._base is not None:
            x, y, _ = positions_D[self._base]
            places[self._embodiment.base.name] = np.array([x, y, 0.0])
        return places

    def _pose_at(self, stamp_s: float) -> np.ndarray:
        """Where the base was then, or nearest to then; its origin where odometry never came."""
        if not self._poses:
            return np.zeros(3)
        return min(self._poses, key=lambda entry: abs(entry[0] - stamp_s))[1]

    def _planned(self, plan: _Plan, now_s: float) -> tuple[PlannedPath, ...]:
        chunk = plan.chunk
        due_in_T = chunk.stamp_s + chunk.step_s * np.arange(len(plan.positions_TD)) - now_s
        colours_T3 = time_colours(due_in_T, chunk.end_s - chunk.stamp_s or chunk.step_s)
        base = self._embodiment.base
        return tuple(
            PlannedPath(
                group=group,
                points_T3=points_T3,
                due_in_T=due_in_T,
                colours_T3=colours_T3,
                committed=plan.committed,
                headings_T=plan.positions_TD[:, self._base][:, 2]
                if base is not None and group == base.name
                else None,
            )
            for group, points_T3 in plan.paths.items()
        )

    def _events(self, plan: _Plan, now_s: float) -> tuple[Event, ...]:
        """Where grippers open or close."""
        events = []
        for gripper in self._embodiment.groups:
            arm = self._arm_of(gripper)
            if arm is None:
                continue
            action = gripper.action
            (finger,) = plan.positions_TD[:, self._embodiment.group_slice(gripper.name)].T
            share_T = (finger - action.closed) / (action.open - action.closed)
            opens_T = share_T > GRIP_SHARE
            for k in np.flatnonzero(opens_T[1:] != opens_T[:-1]) + 1:
                due_s = plan.chunk.stamp_s + plan.chunk.step_s * float(k) - now_s
                if due_s >= 0.0:
                    events.append(
                        Event(
                            group=gripper.name,
                            arm=arm.name,
                            text="opens" if opens_T[k] else "closes",
                            point_3=plan.paths[arm.name][k],
                            due_in_s=due_s,
                        )
                    )
        return tuple(events)

    def _arm_of(self, gripper: Group) -> Group | None:
        if gripper.teleop_kind != "gripper":
            return None
        fitting = (
            a for a in arms(self._embodiment) if gripper in grippers_of(self._embodiment, a)
        )
        return next(fitting, None)

    def _old_paths(self, now_s: float) -> tuple[OldPath, ...]:
        return tuple(
            OldPath(
                group=group,
                points_T3=points_T3,
                opacity=float(np.clip(1.0 - (now_s - plan.replaced_s) / FADE_S, 0.0, 1.0)),
            )
            for plan in self._old
            for group, points_T3 in plan.paths.items()
        )

    def _executed_paths(self) -> tuple[ExecutedPath, ...]:
        groups = self._executed[-1][1] if self._executed else {}
        return tuple(
            ExecutedPath(
                group=group, points_T3=np.stack([places[group] for _, places in self._executed])
            )
            for group in groups
        )

    def _limits(
        self, plan: _Plan | None, now_s: float, status: Status, measured: bool
    ) -> tuple[LimitHit, ...]:
        """Joints at a limit: where they are, where the chunk takes them, or by the filter."""
        texts: dict[str, str] = {}
        at_D = np.where(np.isfinite(self._commanded_D), self._commanded_D, self._measured_D)
        near_D = self._limited_D & self._near_end(at_D, LIMIT_MARGIN)
        for d in np.flatnonzero(near_D):
            texts[self._names[d]] = f"at its {self._end(d, at_D[d])}"
        if plan is not None:
            beyond_TD = self._near_end(plan.positions_TD, 0.0) & self._limited_D & ~near_D
            for d in np.flatnonzero(beyond_TD.any(axis=0)):
                k = int(np.argmax(beyond_TD[:, d]))
                position = plan.positions_TD[k, d]
                due_s = plan.chunk.stamp_s + plan.chunk.step_s * k - now_s
                texts[self._names[d]] = (
                    f"the plan goes to {position:.3f} {self._embodiment.joints[d].unit}, beyond "
                    f"its {self._end(d, position)}, in {max(due_s, 0.0):.2f} s"
                )
        for name, rule in status.limited.items():
            if name in self._names:
                texts.setdefault(name, f"held back by the filter: {rule}")
        if measured:
            self._model.move(self._measured_D)
        return tuple(
            LimitHit(
                joint=name,
                text=text,
                point_3=self._model.joint_place(name) if measured else None,
            )
            for name, text in texts.items()
        )

    def _near_end(self, positions: np.ndarray, margin: float) -> np.ndarray:
        """Which positions [..., D] are within a margin of a limit, or beyond it."""
        low = positions <= self._lower_D + margin if margin else positions < self._lower_D
        high = positions >= self._upper_D - margin if margin else positions > self._upper_D
        return low | high

    def _end(self, d: int, position: float) -> str:
        """The limit of a joint that a position is nearer to, in words."""
        lower, upper = self._lower_D[d], self._upper_D[d]
        name, limit = ("lower", lower) if position < (lower + upper) / 2.0 else ("upper", upper)
        return f"{name} limit, {limit:g} {self._embodiment.joints[d].unit}"

    def _footprints(self, plan: _Plan | None, measured: bool) -> np.ndarray:
        base = self._embodiment.base
        if base is None or base.driver.footprint_m is None or not measured:
            return np.empty((0, 4, 3))
        length, width = base.driver.footprint_m
        corners_42 = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * [length / 2, width / 2]
        poses = [self._measured_D[self._base]]
        if plan is not None:
            last = len(plan.positions_TD) - 1
            steps = np.linspace(0, last, min(FOOTPRINTS, last) + 1).round().astype(int)[1:]
            poses += list(plan.positions_TD[steps][:, self._base])
        return np.stack([_outline(corners_42, pose) for pose in poses])


def _take(positions: Mapping[str, float], names: tuple[str, ...], into_D: np.ndarray) -> None:
    for row, name in enumerate(names):
        position = positions.get(name)
        if position is not None and _usable(position):
            into_D[row] = position


def _usable(values: float | np.ndarray) -> bool:
    """Whether all of them are numbers that kinematics can work with."""
    return bool((np.abs(values) < ANYWHERE).all())


def _moved(origin_3: np.ndarray, by_T3: np.ndarray) -> np.ndarray:
    """Poses [T, 3] after displacements along the axes of a pose."""
    cos, sin = np.cos(origin_3[2]), np.sin(origin_3[2])
    x_T, y_T, yaw_T = by_T3.T
    return origin_3 + np.stack([cos * x_T - sin * y_T, sin * x_T + cos * y_T, yaw_T], axis=1)


def _outline(corners_42: np.ndarray, pose_3: np.ndarray) -> np.ndarray:
    """Corners [4, 3] on the floor of what stands at a pose."""
    cos, sin = np.cos(pose_3[2]), np.sin(pose_3[2])
    turned = corners_42 @ np.array([[cos, sin], [-sin, cos]])
    return np.column_stack([turned + pose_3[:2], np.zeros(4)])
