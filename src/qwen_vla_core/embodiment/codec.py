"""Between the model's channels and the robot's joints, for one embodiment.

The model's native convention (end-effector deltas, gripper aperture) ends here: a chunk that
leaves the codec holds joint positions only. Action k is the target reached one step after it is
issued, so a chunk of H actions has H + 1 points, of which the first is where the commands were.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import ChunkError
from ..types import ActionChunk
from .conventions import CODECS
from .normalization import check_finite, denormalize, normalize
from .schema import Embodiment


class EmbodimentCodec:
    """All groups of an embodiment: states and chunks to and from the model's channels."""

    def __init__(self, embodiment: Embodiment) -> None:
        self.embodiment = embodiment
        self.groups = {
            group.name: CODECS[group.action.convention](group, embodiment.action_step_s)
            for group in embodiment.groups
        }
        self._joints = {
            group.name: embodiment.group_slice(group.name) for group in embodiment.groups
        }
        self._channels = _slices({g.name: g.action_channels for g in embodiment.groups})
        self._states = _slices({g.name: g.state_channels for g in embodiment.groups})
        actions = [group.action_normalization for group in embodiment.groups]
        states = [group.state_normalization for group in embodiment.groups]
        self.action_q01_C = np.array([value for q in actions for value in q.q01])
        self.action_q99_C = np.array([value for q in actions for value in q.q99])
        self.state_q01_S = np.array([value for q in states if q for value in q.q01])
        self.state_q99_S = np.array([value for q in states if q for value in q.q99])
        self._base_D = np.array(embodiment.base_D)

    def state(self, positions_D: np.ndarray) -> np.ndarray:
        """Native state [S], order of ``Embodiment.state_channels``, from joint positions [D]."""
        return np.concatenate(
            [codec.state(positions_D[self._joints[name]]) for name, codec in self.groups.items()]
        )

    def positions(self, state_S: np.ndarray, near_D: np.ndarray) -> np.ndarray:
        """Joint positions [D] that have a native state [S]; inverse of ``state``.

        Args:
            near_D: where to search, as several poses of an arm may have the same state.
        Raises:
            KinematicsError: no pose within the limits has it.
        """
        return np.concatenate(
            [
                codec.positions(state_S[self._states[name]], near_D[self._joints[name]])
                for name, codec in self.groups.items()
            ]
        )

    def normalize_state(self, states: np.ndarray) -> np.ndarray:
        """Native states [..., S] onto [-1, 1]."""
        return normalize(states, self.state_q01_S, self.state_q99_S)

    def normalize_actions(self, actions: np.ndarray) -> np.ndarray:
        """Native actions [..., C] onto [-1, 1]."""
        return normalize(actions, self.action_q01_C, self.action_q99_C)

    def still(self, commanded_D: np.ndarray) -> np.ndarray:
        """Normalised actions [..., C] that keep the robot where it was commanded to be, [..., D].

        Raises:
            NonFiniteError: a commanded position that matters is NaN or infinite.
        """
        native = [
            codec.still(commanded_D[..., self._joints[name]])
            for name, codec in self.groups.items()
        ]
        return self.normalize_actions(np.concatenate(native, axis=-1))

    def decode(
        self, actions_HC: np.ndarray, commanded_D: np.ndarray, stamp_s: float
    ) -> ActionChunk:
        """A chunk of joint targets from the policy's normalised actions.

        Args:
            actions_HC: [H, C] in [-1, 1], order of ``Embodiment.action_channels``.
            commanded_D: joint positions commanded at the observation's time, [D]; ignored
                for a base, which starts at its own origin.
            stamp_s: the observation's time, s.

        Returns:
            H + 1 points; point 0 is ``commanded_D``, zero for a base.

        Raises:
            ChunkError: wrong number of channels or no step.
            NonFiniteError: an action or a commanded position is NaN or infinite.
        """
        channels = self.embodiment.action_channels
        if actions_HC.ndim != 2 or actions_HC.shape[1] != len(channels) or len(actions_HC) == 0:
            raise ChunkError(f"actions have shape {actions_HC.shape}, not [H, {len(channels)}]")
        commanded_D = np.where(self._base_D, 0.0, commanded_D)
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
        """Native actions [T - 1, C] from joint targets [T, D] one action step apart.

        Raises:
            NonFiniteError: a target is NaN or infinite.
        """
        check_finite(targets_TD)
        return np.concatenate(
            [
                codec.encode(targets_TD[:, self._joints[name]])
                for name, codec in self.groups.items()
            ],
            axis=1,
        )


def _slices(channels: Mapping[str, Sequence[str]]) -> dict[str, slice]:
    """Where the channels of each group stand among those of all."""
    ends = np.cumsum([len(names) for names in channels.values()])
    return {
        name: slice(end - len(names), end)
        for (name, names), end in zip(channels.items(), ends.tolist(), strict=True)
    }
