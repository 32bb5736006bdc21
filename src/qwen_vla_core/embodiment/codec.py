"""Between the model's channels and the robot's joints, for one embodiment.

The model's native convention (end-effector deltas, gripper aperture) ends here: a chunk that
leaves the codec speaks joint positions only. Action k is the target reached one step after it is
issued, so a chunk of H actions has H + 1 points, of which the first is where the commands were.
"""

import numpy as np

from ..errors import ChunkError, KinematicsError
from ..types import ActionChunk
from .kinematics import ArmKinematics
from .normalization import denormalize, normalize
from .rotation import euler_from_matrix, matrix_from_euler
from .schema import EeDelta, Embodiment, Group


class EeDeltaCodec:
    """End-effector deltas, applied to the previous target (BridgeData's convention)."""

    def __init__(self, group: Group) -> None:
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


class GripperCodec:
    """One joint between closed (0) and open (1)."""

    def __init__(self, group: Group) -> None:
        self._closed, self._span = group.action.closed, group.action.open - group.action.closed

    def state(self, positions_D: np.ndarray) -> np.ndarray:
        """[opening], 0 closed .. 1 open; a held object or wear may carry it outside."""
        return (positions_D - self._closed) / self._span

    def decode(self, actions_HC: np.ndarray, start_D: np.ndarray) -> np.ndarray:
        """Joint targets [H, 1] from openings [H, 1]."""
        return self._closed + actions_HC * self._span

    def encode(self, targets_TD: np.ndarray) -> np.ndarray:
        """Openings [T - 1, 1] of all targets but the first; inverse of decode."""
        return (targets_TD[1:] - self._closed) / self._span


def group_codec(group: Group) -> EeDeltaCodec | GripperCodec:
    """The codec of a group's action convention."""
    return EeDeltaCodec(group) if isinstance(group.action, EeDelta) else GripperCodec(group)


class EmbodimentCodec:
    """All groups of an embodiment: states and chunks to and from the model's channels."""

    def __init__(self, embodiment: Embodiment) -> None:
        self.embodiment = embodiment
        self.groups = {group.name: group_codec(group) for group in embodiment.groups}
        self._joints = {
            group.name: embodiment.group_slice(group.name) for group in embodiment.groups
        }
        self._channels, start = {}, 0
        for group in embodiment.groups:
            self._channels[group.name] = slice(start, start + len(group.action_channels))
            start += len(group.action_channels)
        quantiles = [group.action_normalization for group in embodiment.groups]
        self.action_q01_C = np.concatenate([q.q01 for q in quantiles])
        self.action_q99_C = np.concatenate([q.q99 for q in quantiles])
        quantiles = [group.state_normalization for group in embodiment.groups]
        self.state_q01_S = np.concatenate([q.q01 for q in quantiles])
        self.state_q99_S = np.concatenate([q.q99 for q in quantiles])

    def state(self, positions_D: np.ndarray) -> np.ndarray:
        """Native state [S], order of ``Embodiment.state_channels``, from joint positions [D]."""
        return np.concatenate(
            [codec.state(positions_D[self._joints[name]]) for name, codec in self.groups.items()]
        )

    def normalize_state(self, states: np.ndarray) -> np.ndarray:
        """Native states [..., S] onto [-1, 1]."""
        return normalize(states, self.state_q01_S, self.state_q99_S)

    def normalize_actions(self, actions: np.ndarray) -> np.ndarray:
        """Native actions [..., C] onto [-1, 1]."""
        return normalize(actions, self.action_q01_C, self.action_q99_C)

    def decode(
        self, actions_HC: np.ndarray, commanded_D: np.ndarray, stamp_s: float
    ) -> ActionChunk:
        """A chunk of joint targets from the policy's normalised actions.

        Args:
            actions_HC: [H, C] in [-1, 1], order of ``Embodiment.action_channels``.
            commanded_D: joint positions commanded at the observation's time, [D].
            stamp_s: the observation's time, s.

        Returns:
            H + 1 points; point 0 is ``commanded_D``.

        Raises:
            ChunkError: wrong number of channels or no step.
            NonFiniteError: an action or a commanded position is NaN or infinite.
        """
        channels = self.embodiment.action_channels
        if actions_HC.ndim != 2 or actions_HC.shape[1] != len(channels) or len(actions_HC) == 0:
            raise ChunkError(f"actions have shape {actions_HC.shape}, not [H, {len(channels)}]")
        native_HC = denormalize(
            np.asarray(actions_HC, dtype=float), self.action_q01_C, self.action_q99_C
        )
        targets_HD = np.concatenate(
            [
                codec.decode(native_HC[:, self._channels[name]], commanded_D[self._joints[name]])
                for name, codec in self.groups.items()
            ],
            axis=1,
        )
        positions_TD = np.concatenate([commanded_D[None], targets_HD])
        step_s = self.embodiment.action_step_s
        return ActionChunk(
            stamp_s=stamp_s,
            step_s=step_s,
            positions_TD=positions_TD,
            velocities_TD=np.gradient(positions_TD, step_s, axis=0),
        )

    def encode(self, targets_TD: np.ndarray) -> np.ndarray:
        """Native actions [T - 1, C] from joint targets [T, D] one action step apart."""
        return np.concatenate(
            [
                codec.encode(targets_TD[:, self._joints[name]])
                for name, codec in self.groups.items()
            ],
            axis=1,
        )
