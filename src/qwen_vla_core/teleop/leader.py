"""Leader arms: from their joint states to positions of our joints, and the start gesture."""

from collections.abc import Sequence

from ..embodiment import Embodiment
from ..embodiment.schema import Leader
from ..observation import match_joints


class LeaderReader:
    """The mapping of all arms of one leader."""

    def __init__(self, embodiment: Embodiment, leader: Leader) -> None:
        self.topics = tuple(dict.fromkeys(arm.topic for arm in leader.arms))
        self._arms = leader.arms
        self._ends = {
            group.joints[0].name: (group.action.closed, group.action.open)
            for group in embodiment.groups
            if group.teleop_kind == "gripper"
        }
        self._positions: dict[str, dict[str, float]] = {}
        grippers = [arm.gripper for arm in leader.arms if arm.gripper is not None]
        self._has_gesture = bool(grippers) and all(g.gesture is not None for g in grippers)
        self._closed: dict[str, bool] = {}
        self._were_open = False

    @property
    def positions(self) -> dict[str, float] | None:
        """Joint -> where the leader has it, rad or m; None until every topic was received."""
        if len(self._positions) < len(self.topics):
            return None
        return {joint: p for of_topic in self._positions.values() for joint, p in of_topic.items()}

    def add(self, topic: str, names: Sequence[str], values: Sequence[float]) -> None:
        """Joint states of one topic arrived; all of it is taken, or nothing.

        Raises:
            ObservationError: joints are missing or repeated. NonFiniteError: a value is NaN or
                infinite.
        """
        taken: dict[str, float] = {}
        closed: dict[str, bool] = {}
        for arm in self._arms:
            if arm.topic != topic:
                continue
            grippers = [] if arm.gripper is None else [arm.gripper]
            wanted = [entry.leader for entry in (*arm.joints, *grippers)]
            found = dict(zip(wanted, match_joints(names, values, wanted).tolist(), strict=True))
            for entry in arm.joints:
                taken[entry.joint] = entry.sign * found[entry.leader] + entry.offset
            for entry in grippers:
                value, shut = found[entry.leader], entry.leader_closed
                share = (value - shut) / (entry.leader_open - shut)
                ours_closed, ours_open = self._ends[entry.joint]
                share = min(max(share, 0.0), 1.0)
                taken[entry.joint] = ours_closed + share * (ours_open - ours_closed)
                if entry.gesture is not None:
                    limit = (entry.gesture - shut) / (entry.leader_open - shut)
                    closed[entry.joint] = share < limit
        self._positions[topic] = taken
        self._closed |= closed

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
