"""End-effector deltas."""

import numpy as np

from ...errors import KinematicsError
from ..kinematics import ArmKinematics
from ..rotation import euler_from_matrix, matrix_from_euler
from ..schema import Group


class EeDeltaCodec:
    """End-effector deltas, applied to the previous target (BridgeData's convention)."""

    def __init__(self, group: Group, step_s: float) -> None:
        self._spec = group.action.kinematics
        self._zero = np.array(self._spec.zero_rotation)
        self._workspace = np.array([self._spec.workspace_lower_m, self._spec.workspace_upper_m])
        self.kinematics = ArmKinematics(group)

    def state(self, positions_D: np.ndarray) -> np.ndarray:
        """[x, y, z, roll, pitch, yaw] of the tool, m and rad, relative to the zero rotation."""
        pose = self.kinematics.forward(positions_D)
        return np.concatenate([pose[:3, 3], euler_from_matrix(pose[:3, :3] @ self._zero.T)])

    def decode(self, actions_HC: np.ndarray, start_D: np.ndarray) -> np.ndarray:
        """Joint targets [H, D] from native deltas [H, 6], starting at the commanded ``start_D``.

        The target is kept in the workspace. A step whose pose cannot be reached is not made
        (BridgeData's rule): target and joints stay where they were.
        """
        positions_D = np.asarray(start_D, dtype=float)
        pose = self.kinematics.forward(positions_D)
        targets = []
        for delta in actions_HC:
            wanted = self.step(pose, delta)
            try:
                positions_D = self.kinematics.inverse(wanted, positions_D)
                pose = wanted
            except KinematicsError:
                pass
            targets.append(positions_D)
        return np.stack(targets)

    def step(self, pose: np.ndarray, delta_6: np.ndarray) -> np.ndarray:
        """The pose one action later: translation in the base frame, rotation about its axes."""
        result = pose.copy()
        result[:3, 3] = np.clip(pose[:3, 3] + delta_6[:3], *self._workspace)
        result[:3, :3] = matrix_from_euler(delta_6[3:]) @ pose[:3, :3]
        return result

    def encode(self, targets_TD: np.ndarray) -> np.ndarray:
        """Native deltas [T - 1, 6] between successive joint targets [T, D]; inverse of decode."""
        poses = [self.kinematics.forward(target) for target in targets_TD]
        return np.stack(
            [
                np.concatenate([b[:3, 3] - a[:3, 3], euler_from_matrix(b[:3, :3] @ a[:3, :3].T)])
                for a, b in zip(poses[:-1], poses[1:], strict=True)
            ]
        )
