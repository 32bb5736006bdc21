"""Leader arms: from their joint states to positions of our joints, and the start gesture."""

import math
from collections.abc import Sequence

from ..embodiment import Embodiment
from ..embodiment.schema import Leader
from ..embodiment.schema.teleop import LeaderGripper
from ..errors import NonFiniteError
from ..observation import match_joints


class LeaderReader:
    """The mapping of all arms of one leader."""

    def __init__(self, embodiment: Embodiment, leader: Leader) -> None:
        self._arms = leader.arms
        grippers = [arm.gripper for arm in leader.arms if arm.gripper is not None]
        self._own = {gripper.topic: gripper for gripper in grippers if gripper.topic is not None}
        self.joint_topics = tuple(dict.fromkeys(arm.topic for arm in leader.arms))
        self.gripper_topics = tuple(self._own)
        self._ends = {
            group.joints[0].name: (group.action.closed, group.action.open)
            for group in embodiment.groups
            if group.teleop_kind == "gripper"
        }
        self._positions: dict[str, dict[str, float]] = {}
        self._has_gesture = bool(grippers) and all(g.gesture is not None for g in grippers)
        self._closed: dict[str, bool] = {}
        self._were_open = False

    @property
    def positions(self) -> dict[str, float] | None:
        """Joint -> where the leader has it, rad or m; None until every topic was received."""
        if len(self._positions) < len(self.joint_topics) + len(self.gripper_topics):
            return None
        return {joint: p for of_topic in self._positions.values() for joint, p in of_topic.items()}

    def add(self, topic: str, names: Sequence[str], values: Sequence[float]) -> None:
        """Joint states of one topic arrived; all of it is taken, or nothing.

        Raises:
            ObservationError: joints are missing or repeated. NonFiniteError: a value is NaN or
                infinite.
        """
        taken: dict[str, float] = {}
        angles: list[tuple[LeaderGripper, float]] = []
        for arm in self._arms:
            if arm.topic != topic:
                continue
            own = arm.gripper is None or arm.gripper.leader is None
            grippers = [] if own else [arm.gripper]
            wanted = [entry.leader for entry in (*arm.joints, *grippers)]
            found = dict(zip(wanted, match_joints(names, values, wanted).tolist(), strict=True))
            for entry in arm.joints:
                taken[entry.joint] = entry.sign * found[entry.leader] + entry.offset
            angles += [(entry, found[entry.leader]) for entry in grippers]
        for entry, value in angles:
            taken[entry.joint] = self._take_gripper(entry, value)
        self._positions[topic] = taken

    def add_gripper(self, topic: str, value: float) -> None:
        """A gripper's own topic said where it is.

        Raises:
            NonFiniteError: it is NaN or infinite.
        """
        if not math.isfinite(value):
            raise NonFiniteError(f"the gripper's {value} is not finite")
        entry = self._own[topic]
        self._positions[topic] = {entry.joint: self._take_gripper(entry, value)}

    def _take_gripper(self, entry: LeaderGripper, value: float) -> float:
        """Where ours is to be, rad or m; whether the leader's counts as closed is remembered."""
        shut, span = entry.leader_closed, entry.leader_open - entry.leader_closed
        share = min(max((value - shut) / span, 0.0), 1.0)
        if entry.gesture is not None:
            self._closed[entry.joint] = share < (entry.gesture - shut) / span
        closed, opened = self._ends[entry.joint]
        return closed + share * (opened - closed)

    def gesture(self) -> bool:
        """Whether all grippers have just been closed, after all were open; once for each time."""
        if not self._has_gesture or self.positions is None:
            return False
        if not any(self._closed.values()):
            self._were_open = True
        made = self._were_open and all(self._closed.values())
        self._were_open = self._were_open and not made
        return made

    def forget_gesture(self) -> None:
        """What the grippers did so far does not count: open them first."""
        self._were_open = False
