"""What a person's wish means for the joints: from the last command on, and never a jump.

All devices go through the same guard: no target moves faster than its joint may, leaves its
limits, runs ahead of what is commanded, or is NaN.
"""

from dataclasses import dataclass

import numpy as np

from ..embodiment import Embodiment
from ..embodiment.schema import Leader
from ..execution import Sample
from ..execution.limiter import SLOW
from .tool import ToolMotion
from .wish import Wish

LEAD_S = 0.3
"""How far a target may run ahead of the command: what the joint covers in this time at its speed
limit. Braking from there at 5 rad/s^2 takes that long."""

FARTHEST_M = 0.5
"""A hand that is farther than this from where it was engaged was lost by its tracking; the value
of BridgeData's VR teleoperation."""

ALIGNED = 4.0
"""An alignment ends closer than engaging demands by this factor."""

MET = 0.1
"""An absolute leader's gripper has met ours within this share of the opening: some of them do not
reach their ends."""

LONGEST_S = 0.1
"""A period that comes later than this counts as this long, s."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Moved:
    """One period.

    Attributes:
        target: positions of the arms; velocities of the base.
        message: what slowed it; "" for nothing.
        fault: why the person must let go and press again; "" if all is well.
    """

    target: Sample
    message: str = ""
    fault: str = ""


class Mover:
    """Targets of one robot, moved by one device."""

    def __init__(self, embodiment: Embodiment, leader: Leader | None = None) -> None:
        """For a robot with a ``teleop`` section.

        Args:
            leader: the device, if it is one.
        """
        self._robot, self._leader = embodiment, leader
        self._names = embodiment.joint_names
        joints = embodiment.joints
        self._speed_D = np.array([joint.velocity for joint in joints])
        self._acceleration_D = np.array([joint.acceleration for joint in joints])
        self._period_s = 1.0 / embodiment.command_hz
        self._lower_D = np.array([joint.lower for joint in joints])
        self._upper_D = np.array([joint.upper for joint in joints])
        self._base_D = np.array(embodiment.base_D)
        self._row = {name: row for row, name in enumerate(self._names)}
        self._rows = {g.name: embodiment.group_slice(g.name) for g in embodiment.groups}
        kinds = {group.name: group.teleop_kind for group in embodiment.groups}
        self._tools = {
            group.name: ToolMotion(group)
            for group in embodiment.groups
            if kinds[group.name] == "tool"
        }
        self._gripper_D = np.concatenate(
            [[kinds[g.name] == "gripper"] * len(g.joints) for g in embodiment.groups]
        ).astype(bool)
        self._opening = {
            group.name: group.action.open - group.action.closed
            for group in embodiment.groups
            if kinds[group.name] == "gripper"
        }
        self._target_D = np.zeros(len(joints))
        self._reference = self._last = Wish()
        self._anchor_D, self._tool_anchors = self._target_D, {}
        self._coasting_D = np.zeros(len(joints))
        self._apart: dict[str, float] = {}

    def take(self, command: Sample, wish: Wish) -> Sample:
        """Begin: hands and robot, where they are now, belong together.

        A robot in motion brakes from here on as its joints may, and does not come back to where
        it was taken; a base stands. Our gripper goes on holding what it holds until an absolute
        leader's has been where ours is: at a takeover that one is often open.

        Args:
            command: the last command, [D] each, finite.
        """
        self._target_D = np.array(command.positions_D, dtype=float)
        self._coasting_D = np.where(
            self._base_D, 0.0, np.clip(command.velocities_D, -self._speed_D, self._speed_D)
        )
        self._reference = self._last = wish
        self._apart = {}
        if self._leader is not None and self._leader.absolute:
            self._apart = {
                joint: value - self._target_D[self._row[joint]]
                for joint, value in wish.positions.items()
                if self._gripper_D[self._row[joint]]
            }
        self._anchor_D = self._target_D
        self._coast(command.positions_D, self._period_s)
        return self.still()

    def still(self) -> Sample:
        """A target that moves nothing: where the last one was, and a base that stands."""
        return Sample(
            positions_D=self._target_D.copy(), velocities_D=np.zeros(len(self._target_D))
        )

    def differences(self, command_D: np.ndarray, wish: Wish) -> list[str]:
        """In words, which joints of an absolute leader are too far from ours to engage."""
        if self._leader is None or not self._leader.absolute:
            return []
        return self._farther_than(self._leader.agreement_rad, command_D, wish)

    def apart(self, command_D: np.ndarray, wish: Wish) -> list[str]:
        """In words, which joints of a leader are farther from ours than alignment leaves them."""
        return self._farther_than(self._leader.agreement_rad / ALIGNED, command_D, wish)

    def align_s(self, command_D: np.ndarray, wish: Wish) -> float:
        """How long an alignment takes, s."""
        rows = [self._row[joint] for joint in wish.positions]
        off = np.abs(np.array(list(wish.positions.values())) - command_D[rows])
        return float((off / (SLOW * self._speed_D[rows])).max(initial=0.0))

    def _farther_than(self, limit: float, command_D: np.ndarray, wish: Wish) -> list[str]:
        off = {
            joint: value - command_D[self._row[joint]]
            for joint, value in wish.positions.items()
            if not self._gripper_D[self._row[joint]]
        }
        return [
            f"{joint} of the leader is {by:+.2f} {self._unit(joint)} away"
            for joint, by in off.items()
            if not abs(by) <= limit
        ]

    def step(self, wish: Wish, command_D: np.ndarray, dt_s: float) -> Moved:
        """Follow the hands for one period.

        Args:
            wish: what they want. command_D: what is commanded now, [D].
            dt_s: time since the last call, s.
        """
        dt_s = float(np.clip(dt_s, 0.0, LONGEST_S))
        if not (wish.finite and np.isfinite(command_D).all()):
            return Moved(target=self.still(), fault="the device sent NaN or infinity")
        if fault := self._lost(wish):
            return Moved(target=self.still(), fault=fault)
        self._last = wish
        if self._coasting_D.any():
            self._coast(command_D, dt_s)
        wanted_D, reasons = self._target_D.copy(), []
        for joint, value in wish.positions.items():
            if self._awaits(joint, value):
                reasons.append(f"{joint} follows once the leader's gripper was where ours is")
            else:
                wanted_D[self._row[joint]] = value + self._offset(joint)
        for arm in self._tools:
            velocity_6 = self._tool_velocity(arm, wish)
            rows = self._rows[arm]
            if velocity_6 is not None:
                wanted_D[rows], said = self._tools[arm].step(
                    self._target_D[rows], velocity_6, dt_s
                )
                reasons += [said] if said else []
        for gripper, speed in wish.gripper_speeds.items():
            wanted_D[self._rows[gripper]] += (
                np.clip(speed, -10, 10) * self._opening[gripper] * dt_s
            )
        velocities_D = np.zeros(len(wanted_D))
        if wish.base is not None and self._robot.base is not None:
            ahead, _, turn = range(len(wanted_D))[self._rows[self._robot.base.name]]
            velocities_D[[ahead, turn]] = np.clip(
                wish.base, -self._speed_D[[ahead, turn]], self._speed_D[[ahead, turn]]
            )
        self._guard(wanted_D, command_D, self._speed_D * dt_s)
        still = self.still()
        target = Sample(positions_D=still.positions_D, velocities_D=velocities_D)
        return Moved(target=target, message="; ".join(reasons))

    def align(self, wish: Wish, command_D: np.ndarray, dt_s: float) -> tuple[Sample, bool]:
        """Go slowly to where the leader is; grippers keep what they hold.

        Returns:
            The target, and whether both agree now, as ``apart`` counts it.
        """
        dt_s = float(np.clip(dt_s, 0.0, LONGEST_S))
        wanted_D = self._target_D.copy()
        if wish.finite:
            for joint, value in wish.positions.items():
                if not self._gripper_D[self._row[joint]]:
                    wanted_D[self._row[joint]] = value
        self._guard(wanted_D, command_D, SLOW * self._speed_D * dt_s)
        return self.still(), not self.apart(command_D, wish)

    def _awaits(self, joint: str, value: float) -> bool:
        """Whether our gripper stands because the leader's has not met it since the takeover."""
        if joint not in self._apart:
            return False
        row = self._row[joint]
        apart = value - self._target_D[row]
        within = MET * (self._upper_D[row] - self._lower_D[row])
        if abs(apart) <= within or apart * self._apart[joint] < 0.0:  # met, or passed between two
            del self._apart[joint]
        return joint in self._apart

    def _coast(self, command_D: np.ndarray, dt_s: float) -> None:
        """Target and reference go on with what is left of the motion that was taken over."""
        slower_D = np.abs(self._coasting_D) - self._acceleration_D * dt_s
        self._coasting_D = np.sign(self._coasting_D) * np.maximum(slower_D, 0.0)
        before_D = self._target_D
        self._guard(before_D + self._coasting_D * dt_s, command_D, self._speed_D * dt_s)
        self._anchor_D = self._anchor_D + self._target_D - before_D
        self._tool_anchors = {
            arm: self._tools[arm].pose(self._anchor_D[self._rows[arm]])
            for arm in self._reference.tool_poses
        }

    def _guard(self, wanted_D: np.ndarray, command_D: np.ndarray, step_D: np.ndarray) -> None:
        """Let the target go where it is wanted as far as it may."""
        before_D, lead_D = self._target_D, LEAD_S * self._speed_D
        # Outside its limits a joint may stay, but not go farther.
        wanted_D = np.clip(
            wanted_D, np.minimum(self._lower_D, before_D), np.maximum(self._upper_D, before_D)
        )
        wanted_D = np.clip(wanted_D, command_D - lead_D, command_D + lead_D)
        moved_D = np.clip(wanted_D, before_D - step_D, before_D + step_D)
        self._target_D = np.where(self._base_D, 0.0, moved_D)

    def _lost(self, wish: Wish) -> str:
        """Why hands and robot no longer belong together; "" while they do."""
        if set(wish.positions) != set(self._reference.positions):
            return "the device names other joints than before"
        for joint, value in wish.positions.items():
            by = value - self._last.positions[joint]
            if not self._gripper_D[self._row[joint]] and abs(by) > self._robot.jump_limit:
                return f"{joint} of the leader jumped by {by:+.2f} {self._unit(joint)}"
        for arm, pose in wish.tool_poses.items():
            if arm not in self._tool_anchors:
                return f"the hand of {arm} was not there when it was engaged"
            far_m = float(np.linalg.norm(pose[:3, 3] - self._reference.tool_poses[arm][:3, 3]))
            if far_m > FARTHEST_M:
                return f"the hand of {arm} is {far_m:.2f} m from where it was engaged"
        return ""

    def _tool_velocity(self, arm: str, wish: Wish) -> np.ndarray | None:
        """What is wanted of a tool, [6], no faster than ``teleop`` allows; None for nothing."""
        if arm in wish.tool_poses:
            hand, before = wish.tool_poses[arm], self._reference.tool_poses[arm]
            pose = self._tool_anchors[arm].copy()
            pose[:3, 3] += hand[:3, 3] - before[:3, 3]
            pose[:3, :3] = hand[:3, :3] @ before[:3, :3].T @ pose[:3, :3]
            velocity_6 = self._tools[arm].towards(self._target_D[self._rows[arm]], pose)
        elif arm in wish.tool_velocities:
            velocity_6 = np.asarray(wish.tool_velocities[arm], dtype=float)
        else:
            return None
        speeds = self._robot.teleop
        return np.concatenate(
            [
                _no_longer(velocity_6[:3], speeds.tool_m_s),
                _no_longer(velocity_6[3:], speeds.tool_rad_s),
            ]
        )

    def _offset(self, joint: str) -> float:
        if self._leader is not None and self._leader.absolute:
            return 0.0
        return self._anchor_D[self._row[joint]] - self._reference.positions[joint]

    def _unit(self, joint: str) -> str:
        return self._robot.joints[self._row[joint]].unit


def _no_longer(vector: np.ndarray, length: float) -> np.ndarray:
    """The vector, shortened to a length where it is longer; finite for all that is finite."""
    largest = float(np.abs(vector).max())
    if largest <= length / 2.0:
        return vector
    unit = vector / largest
    size = float(np.linalg.norm(unit))
    return unit * min(largest, length / size)
