"""A tool's velocity as joint velocities: slower at singular poses and workspace edges."""

import numpy as np
import pinocchio as pin

from ..embodiment.kinematics import ArmKinematics
from ..embodiment.schema import Group

EDGE_M = 0.03
"""The tool slows down over this distance from a face of its workspace, m."""

LEVER_M = 0.2
"""Turning counts like moving a point that is so far from the tool, m: about a hand's length."""

SINGULAR = 0.03
"""Below this singular value of the Jacobian, m/rad, the joints would have to move more than 33
times as fast as the tool: from there on its motion is damped (Nakamura and Hanafusa 1986)."""

DAMPING = 0.03
"""Damping of the least squares where the smallest singular value is 0."""

SLOWED = 0.9
"""A tool that gets less than this share of its wish is slowed, and that is said."""

FASTEST = 0.6
"""Share of a joint's speed limit that a tool may ask of it. From an ALOHA's start pose, its wrist
almost straight, a tool that goes sideways turned the forearm at its limit of 1.57 rad/s, and the
simulated arm was more than 0.5 rad behind: a tracking fault."""

SERVO_PER_S = 10.0
"""A hand's pose is followed at this rate: the distance shrinks to a third in 0.1 s."""


class ToolMotion:
    """The tool of one arm."""

    def __init__(self, group: Group) -> None:
        self._name = group.name
        self._kinematics = ArmKinematics(group)
        self._names = [joint.name for joint in group.joints]
        self._speed_D = FASTEST * np.array([joint.velocity for joint in group.joints])
        box = group.action.kinematics
        self._box = None
        if box.workspace_lower_m is not None:
            self._box = np.array([box.workspace_lower_m, box.workspace_upper_m])

    def pose(self, positions_D: np.ndarray) -> np.ndarray:
        """The tool's pose [4, 4] in base_link, m."""
        return self._kinematics.forward(positions_D)

    def step(
        self, positions_D: np.ndarray, velocity_6: np.ndarray, dt_s: float
    ) -> tuple[np.ndarray, str]:
        """Joint positions [D] after ``dt_s``, and what slowed the tool, in words.

        Args:
            positions_D: where the joints are sent now, rad or m.
            velocity_6: of the tool along the axes of base_link, m/s and rad/s, finite.
        Returns:
            Positions to which no joint moves faster than ``FASTEST``, nor farther outside its
            limits than it is; and "" or the reason why the tool is slower than wished.
        """
        if not np.any(velocity_6):
            return positions_D, ""
        wanted_6, reason = self._within_box(positions_D, np.asarray(velocity_6, dtype=float))
        weights_6 = np.repeat([1.0, LEVER_M], 3)
        jacobian = weights_6[:, None] * self._kinematics.jacobian(positions_D)
        wanted_6 = weights_6 * wanted_6
        velocity_D, at_limit = self._joint_velocities(jacobian, wanted_6, positions_D)
        share = float(np.min(self._speed_D / np.maximum(np.abs(velocity_D), self._speed_D)))
        fastest = self._names[int(np.argmax(np.abs(velocity_D) / self._speed_D))]
        velocity_D = velocity_D * share
        missed = np.linalg.norm(jacobian @ velocity_D - wanted_6)
        if not reason and missed > (1.0 - SLOWED) * np.linalg.norm(wanted_6):
            if at_limit:
                reason = f"{self._name} is slowed: {', '.join(at_limit)} at the joint's limit"
            elif share < SLOWED:
                reason = f"{self._name} is slowed: {fastest} is as fast as it may be"
            else:
                reason = f"{self._name} is slowed: it is near a singular pose; move another way"
        return positions_D + velocity_D * dt_s, reason

    def towards(self, positions_D: np.ndarray, pose: np.ndarray) -> np.ndarray:
        """The velocity [6] that brings the tool to a pose [4, 4], m/s and rad/s."""
        now = self.pose(positions_D)
        turn = pin.log3(pose[:3, :3] @ now[:3, :3].T)
        return SERVO_PER_S * np.concatenate([pose[:3, 3] - now[:3, 3], turn])

    def _within_box(
        self, positions_D: np.ndarray, velocity_6: np.ndarray
    ) -> tuple[np.ndarray, str]:
        if self._box is None:
            return velocity_6, ""
        at_m = self.pose(positions_D)[:3, 3]
        left_m = np.where(velocity_6[:3] < 0.0, at_m - self._box[0], self._box[1] - at_m)
        share_3 = np.clip(left_m / EDGE_M, 0.0, 1.0)
        slowed = (share_3 < SLOWED) & (np.abs(velocity_6[:3]) > 1e-3)
        reason = ""
        if slowed.any():
            axes = ", ".join(f"{'xyz'[i]} = {at_m[i]:.2f} m" for i in np.flatnonzero(slowed))
            reason = f"{self._name} is slowed: the edge of its workspace ({axes})"
        return np.concatenate([velocity_6[:3] * share_3, velocity_6[3:]]), reason

    def _joint_velocities(
        self, jacobian: np.ndarray, velocity_6: np.ndarray, positions_D: np.ndarray
    ) -> tuple[np.ndarray, list[str]]:
        """Damped least squares; joints that would leave their limits are taken out."""
        free = np.ones(len(positions_D), dtype=bool)
        lower_D, upper_D = self._kinematics.lower_D, self._kinematics.upper_D
        while True:
            u, values, vt = np.linalg.svd(jacobian[:, free], full_matrices=False)
            near = np.clip(1.0 - values[-1] / SINGULAR, 0.0, 1.0)
            gains = values / (values**2 + max((near * DAMPING) ** 2, 1e-12))
            velocity_D = np.zeros(len(positions_D))
            velocity_D[free] = vt.T @ (gains * (u.T @ velocity_6))
            out = free & (
                ((positions_D >= upper_D) & (velocity_D > 0.0))
                | ((positions_D <= lower_D) & (velocity_D < 0.0))
            )
            if not out.any() or not (free & ~out).any():
                velocity_D[out] = 0.0
                return velocity_D, [
                    n for n, on in zip(self._names, free & ~out, strict=True) if not on
                ]
            free &= ~out
