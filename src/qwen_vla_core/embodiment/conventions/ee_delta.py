"""End-effector deltas."""

import numpy as np

from ...errors import KinematicsError
from ..kinematics import ArmKinematics
from ..rotation import FROM_MATRIX, TO_MATRIX
from ..schema import Group


class EeDeltaCodec:
    """End-effector deltas, applied to the previous target (BridgeData's convention).

    A delta [3 + R] is a translation, m, and a rotation, R numbers as ``EeDelta.rotation`` says,
    both along the axes of its frame F: p' = p + F dp and R' = F dR F^T R, where the columns of F
    are the frame's axes in base_link. With a camera's axes this is Qwen-RobotManip's camera-frame
    delta; where the camera stands does not matter, because a delta is a difference.
    """

    def __init__(self, group: Group, step_s: float) -> None:
        action = group.action
        self._spec = action.kinematics
        self._zero = np.array(self._spec.zero_rotation)
        self._workspace = np.array([self._spec.workspace_lower_m, self._spec.workspace_upper_m])
        self._to_matrix, self._from_matrix = (
            TO_MATRIX[action.rotation],
            FROM_MATRIX[action.rotation],
        )
        self._state_rotation = FROM_MATRIX[action.state_rotation]
        self._rotation_of_state = TO_MATRIX[action.state_rotation]
        self._frame = np.eye(3)
        if action.frame is not None:
            self._frame = _exactly_orthonormal(np.array(action.frame.rotation))
        self.kinematics = ArmKinematics(group)

    def state(self, positions_D: np.ndarray) -> np.ndarray:
        """Where the tool is in base_link, m, and how it is turned from the zero rotation.

        The rotation is three Euler angles in rad or 6-D, as ``EeDelta.state_rotation`` says.
        """
        pose = self.kinematics.forward(positions_D)
        return np.concatenate([pose[:3, 3], self._state_rotation(pose[:3, :3] @ self._zero.T)])

    def positions(self, state: np.ndarray, near_D: np.ndarray) -> np.ndarray:
        """Joint positions [D] near ``near_D`` that have this state; inverse of ``state``.

        Raises:
            KinematicsError: none within the limits have.
        """
        pose = np.eye(4)
        pose[:3, 3] = state[:3]
        pose[:3, :3] = self._rotation_of_state(state[3:]) @ self._zero
        return self.kinematics.inverse(pose, near_D)

    def decode(self, actions_HC: np.ndarray, start_D: np.ndarray) -> np.ndarray:
        """Joint targets [H, D] from native deltas [H, 3 + R], from the commanded ``start_D``.

        The target is kept in the workspace. A step whose pose cannot be reached, or whose numbers
        are no rotation, is not made (BridgeData's rule): target and joints stay where they were.
        """
        positions_D = np.asarray(start_D, dtype=float)
        pose = self.kinematics.forward(positions_D)
        targets = []
        for delta in actions_HC:
            try:
                wanted = self.step(pose, delta)
                positions_D = self.kinematics.inverse(wanted, positions_D)
                pose = wanted
            except KinematicsError:
                pass
            targets.append(positions_D)
        return np.stack(targets)

    def step(self, pose: np.ndarray, delta: np.ndarray) -> np.ndarray:
        """The pose one action later.

        Raises:
            KinematicsError: the delta's last numbers are no rotation.
        """
        result = pose.copy()
        result[:3, 3] = np.clip(pose[:3, 3] + self._frame @ delta[:3], *self._workspace)
        turn = self._frame @ self._to_matrix(delta[3:]) @ self._frame.T
        result[:3, :3] = turn @ pose[:3, :3]
        return result

    def delta(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """The delta that leads from one pose to another; inverse of ``step``."""
        turn = after[:3, :3] @ before[:3, :3].T
        return np.concatenate(
            [
                self._frame.T @ (after[:3, 3] - before[:3, 3]),
                self._from_matrix(self._frame.T @ turn @ self._frame),
            ]
        )

    def encode(self, targets_TD: np.ndarray) -> np.ndarray:
        """Native deltas [T - 1, 3 + R] between joint targets [T, D]; inverse of decode."""
        poses = [self.kinematics.forward(target) for target in targets_TD]
        return np.stack([self.delta(a, b) for a, b in zip(poses[:-1], poses[1:], strict=True)])

    def still(self, start_D: np.ndarray) -> np.ndarray:
        """The delta [..., 3 + R] that stays where it is; ``start_D`` is [..., D]."""
        stay = np.concatenate([np.zeros(3), self._from_matrix(np.eye(3))])
        return np.broadcast_to(stay, (*start_D.shape[:-1], len(stay)))


def _exactly_orthonormal(rotation: np.ndarray) -> np.ndarray:
    """The nearest rotation: a file holds four digits of each number."""
    u, _, v = np.linalg.svd(rotation)
    return u @ v
