"""Doing again what was commanded in an episode: a policy that looks at nothing."""

import numpy as np

from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.execution.prefix import Prefix, poses_from_first
from qwen_vla_core.modes import Mode
from qwen_vla_core.policy import ChannelPolicy
from qwen_vla_core.types import ActionChunk, Observation

from .episode import Episode
from .plans import check_robot, commands_of

APPROACH_SPEED = 0.2
"""Share of each joint's speed limit on the way to the first pose: as START moves."""
OUTSIDE = 0.02
"""How far beyond the limits a recording may lie, as a share of a joint's range; it is clipped."""


class ReplayPolicy(ChannelPolicy):
    """Implements ``qwen_vla_core.policy.Policy``: joint targets, whatever the convention.

    When a person engages it, the joints go from where they are commanded to be to the first pose
    of the episode, slowly and in a straight line; then the episode follows in its own time, and
    the last pose is held. A base does not approach: it drives as it drove, from where it stands.
    Before that it shows, again and again, how it would begin.

    Attributes:
        instruction: that of the episode.
    """

    def __init__(self, episode: Episode, codec: EmbodimentCodec, name: str) -> None:
        """Prepare an episode.

        Args:
            name: where it is from, for diagnostics and errors.
        Raises:
            QwenVlaError: it is another robot's, or names NaN or positions outside the limits.
        """
        try:
            check_robot(episode, codec)
            self._recorded_TD = _commands(episode, codec)
        except QwenVlaError as error:
            raise QwenVlaError(f"{name}: {error}") from error
        super().__init__(codec)
        robot = codec.embodiment
        self._robot, self._name = robot, name
        self._step_s, self._base_D = robot.action_step_s, np.array(robot.base_D)
        self._speed_D = APPROACH_SPEED * np.array([joint.velocity for joint in robot.joints])
        self._recorded_s_T = np.arange(len(self._recorded_TD)) * episode.stride * self._step_s
        self.instruction = episode.instructions[0]
        self._engaged, self._restart = False, True
        self._begun_s = self._approach_s = self._played_s = 0.0
        self._from_D = self._recorded_TD[0]

    def on_mode(self, mode: Mode) -> None:
        """The robot is in this mode from now on; in AUTONOMY it follows, from the beginning."""
        self._engaged = mode is Mode.AUTONOMY
        self._restart = True

    def warm_up(self) -> float:
        """How long a plan takes, s."""
        return 1e-3

    def diagnostics(self) -> dict[str, object]:
        """Where it is in the episode."""
        return {
            "path": self._name,
            "approaching": self._played_s < 0.0,
            "replayed_s": round(min(max(0.0, self._played_s), self._recorded_s_T[-1]), 2),
            "of_s": round(float(self._recorded_s_T[-1]), 2),
        }

    def infer(self, observation: Observation, prefix: Prefix | None = None) -> np.ndarray:
        """What ``plan`` does, as the nearest actions of a model: float32 [H, C] in [-1, 1]."""
        targets_TD = self.plan(observation, prefix).positions_TD
        return self.codec.normalize_actions(self.codec.encode(targets_TD)).astype(np.float32)

    def plan(self, observation: Observation, prefix: Prefix | None = None) -> ActionChunk:
        """H + 1 points of the way to the first pose, of the episode, or of its last pose."""
        if self._restart or not self._engaged:
            self._start(observation)
        horizon = self._robot.horizon
        times_T = observation.stamp_s - self._begun_s + self._step_s * np.arange(horizon + 1)
        self._played_s = float(times_T[0]) - self._approach_s
        positions_TD = self._at(times_T)
        positions_TD[0] = np.where(self._base_D, 0.0, observation.commanded_D)
        return ActionChunk(
            stamp_s=observation.stamp_s,
            step_s=self._step_s,
            positions_TD=positions_TD,
            velocities_TD=np.gradient(positions_TD, self._step_s, axis=0),
        )

    def _start(self, observation: Observation) -> None:
        self._restart = False
        self._begun_s = observation.stamp_s
        self._from_D = np.where(self._base_D, self._recorded_TD[0], observation.commanded_D)
        way_D = np.abs(self._recorded_TD[0] - self._from_D)
        fastest_s = float((way_D / self._speed_D)[~self._base_D].max(initial=0.0))
        self._approach_s = 1.5 * fastest_s  # of the smooth profile below the middle is the fastest

    def _at(self, times_T: np.ndarray) -> np.ndarray:
        """Joint targets [T, D] at times since the start; a base's from its pose at the first."""
        played_T = times_T - self._approach_s
        targets_TD = np.stack(
            [np.interp(played_T, self._recorded_s_T, joint_T) for joint_T in self._recorded_TD.T],
            axis=1,
        )
        share_T1 = np.clip(times_T / max(self._approach_s, 1e-9), 0.0, 1.0)[:, None]
        share_T1 = share_T1**2 * (3.0 - 2.0 * share_T1)  # begins and ends at rest
        way_TD = self._from_D + share_T1 * (self._recorded_TD[0] - self._from_D)
        targets_TD = np.where(played_T[:, None] < 0.0, way_TD, targets_TD)
        if self._base_D.any():
            targets_TD[:, self._base_D] = poses_from_first(targets_TD[:, self._base_D])
        return targets_TD


def _commands(episode: Episode, codec: EmbodimentCodec) -> np.ndarray:
    """What was commanded at each recorded step, float64 [T, D], within the limits.

    Raises:
        QwenVlaError: it is NaN, or outside the limits.
    """
    robot = codec.embodiment
    base_D, commanded_TD = np.array(robot.base_D), episode.commanded_TD.astype(float)
    if base_D.any():
        if episode.actions_NTHC is not None:  # where its pose is not recorded, but what it did
            steps_NC = np.concatenate(episode.actions_NTHC[0, :, : episode.stride])
            path_TD = commands_of(steps_NC, commanded_TD[0], robot, robot.action_step_s)
            commanded_TD[:, base_D] = path_TD[:: episode.stride, base_D]
        yaw = np.flatnonzero(base_D)[-1]
        commanded_TD[:, yaw] = np.unwrap(commanded_TD[:, yaw])
    if not np.isfinite(commanded_TD).all():
        raise QwenVlaError("its commands are NaN or infinite; see where with: qwen-vla data check")
    low_D, high_D = np.array([(joint.lower, joint.upper) for joint in robot.joints]).T
    beyond_TD = np.maximum(low_D - commanded_TD, commanded_TD - high_D)
    beyond_TD[:, base_D] = 0.0
    step, place = np.unravel_index(beyond_TD.argmax(), beyond_TD.shape)
    if beyond_TD[step, place] > OUTSIDE * (high_D - low_D)[place]:
        joint = robot.joints[place]
        raise QwenVlaError(
            f"joint {joint.name} was commanded to {commanded_TD[step, place]:.4g} {joint.unit} at "
            f"step {step}, outside the limits {joint.lower:g} to {joint.upper:g} of {robot.name}"
        )
    return np.where(base_D, commanded_TD, commanded_TD.clip(low_D, high_D))
