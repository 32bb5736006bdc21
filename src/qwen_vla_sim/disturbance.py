"""Noise on the expert's executed actions (DART): the labels stay clean, the states get diverse.

A policy drifts to where a perfect expert never is; these disturbances go there first, so that the
recordings show the way back.
"""

from dataclasses import replace

import numpy as np

from qwen_vla_core.embodiment.codec import EmbodimentCodec

from .tasks.pick_up import Scene, pose_to_joints
from .worlds.widowx_mjcf import FINGER_LIMITS_M

NOISE_SIGMA = np.array([0.003, 0.003, 0.003, 0.015, 0.015, 0.03])
"""Per action step, m and rad: a tenth of a full step."""
BUMP_PROBABILITY = 0.05
BUMP = np.array([0.05, 0.05, 0.05, 0.1, 0.1, 0.25])
"""Largest part of a bump, which replaces an action: the action limits of BridgeData."""
TOGGLE_PROBABILITY = 0.02
"""Chance per step that the gripper does the opposite for one to three steps."""
GRIPPER_SIGMA = 0.05
WILD_START_PROBABILITY = 0.3
WILD_START = np.array([[0.18, 0.36], [-0.15, 0.15], [0.06, 0.22], [-0.5, 0.5]])
"""x, y, z m and yaw rad; down to where the fingertips clear the blocks by 7 mm."""


class Disturbance:
    """The bad luck of one episode."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 1])
        self._toggled_steps = 0

    def start(self, scene: Scene, codec: EmbodimentCodec) -> Scene:
        """The scene, sometimes with the gripper anywhere over the table and partly closed."""
        if self._rng.random() >= WILD_START_PROBABILITY:
            return scene
        joints = pose_to_joints(*self._rng.uniform(*WILD_START.T), codec)
        return replace(scene, positions_D=np.append(joints, self._rng.uniform(*FINGER_LIMITS_M)))

    def apply(self, action: np.ndarray) -> np.ndarray:
        """What is executed in place of ``action`` [7]."""
        disturbed = action.copy()
        if self._rng.random() < BUMP_PROBABILITY:
            disturbed[:6] = self._rng.uniform(-BUMP, BUMP)
        else:
            disturbed[:6] += self._rng.normal(0.0, NOISE_SIGMA)
        if self._rng.random() < TOGGLE_PROBABILITY:
            self._toggled_steps = int(self._rng.integers(1, 4))
        if self._toggled_steps:
            self._toggled_steps -= 1
            disturbed[6] = 1.0 - disturbed[6]
        disturbed[6] += self._rng.normal(0.0, GRIPPER_SIGMA)
        return disturbed
