"""Noise on the expert's executed actions (DART): the labels stay clean, the states get diverse.

A policy drifts to where a perfect expert never is; these disturbances go there first, so that the
recordings show the way back.
"""

import numpy as np

from qwen_vla_core.embodiment import Embodiment, Group

from .tasks.task import Scene, Task

BEAT_S = 0.2
"""Noise is drawn for every action step; what is larger is drawn, and lasts, by this time."""
BUMP_PROBABILITY = 0.05
"""Chance per beat that a group does something else altogether."""
TOGGLE_PROBABILITY = 0.02
"""Chance per beat that a gripper does the opposite, for one to three beats."""
GRIPPER_SIGMA = 0.05
SCATTER_PROBABILITY = 0.3
"""Part of the episodes that start where the robot may get but does not usually start."""


class Disturbance:
    """The bad luck of one episode."""

    def __init__(self, seed: int, embodiment: Embodiment) -> None:
        self._rng = np.random.default_rng([seed, 1])
        self._groups = embodiment.groups
        self._step_s = embodiment.action_step_s
        self._beat_steps = max(1, round(BEAT_S * embodiment.action_hz))
        self._left = dict.fromkeys((group.name for group in embodiment.groups), 0)
        self._bumps: dict[str, np.ndarray] = {}

    def start(self, task: Task, scene: Scene) -> Scene:
        """The scene, sometimes with the robot somewhere else."""
        if self._rng.random() >= SCATTER_PROBABILITY:
            return scene
        return task.scatter(scene, self._rng)

    def apply(self, actions_HC: np.ndarray) -> np.ndarray:
        """What is executed in place of a chunk of actions [H, C], native units."""
        disturbed_HC, start = actions_HC.copy(), 0
        for group in self._groups:
            channels = slice(start, start + len(group.action_channels))
            start = channels.stop
            disturb = self._toggle if _opens(group) else self._push
            for step, action in enumerate(actions_HC[:, channels]):
                disturbed_HC[step, channels] = disturb(group, action)
            if group.action.convention == "joint_position":
                # Off the way for good, as a command is that did not get where it should.
                pushes_HC = disturbed_HC[:, channels] - actions_HC[:, channels]
                disturbed_HC[:, channels] += np.cumsum(pushes_HC, axis=0) - pushes_HC
        return disturbed_HC

    def _push(self, group: Group, action: np.ndarray) -> np.ndarray:
        noise, bump = _scales(group, self._step_s)
        if self._rng.random() < BUMP_PROBABILITY / self._beat_steps:
            self._bumps[group.name] = self._rng.uniform(-bump, bump)
            self._left[group.name] = self._beat_steps
        elif not self._left[group.name]:
            return action + self._rng.normal(0.0, noise)
        self._left[group.name] -= 1
        pushed = self._bumps[group.name]
        return action + pushed if group.action.convention == "joint_position" else pushed

    def _toggle(self, group: Group, action: np.ndarray) -> np.ndarray:
        if self._rng.random() < TOGGLE_PROBABILITY / self._beat_steps:
            self._left[group.name] = int(self._rng.integers(1, 4)) * self._beat_steps
        if self._left[group.name]:
            self._left[group.name] -= 1
            action = 1.0 - action
        return action + self._rng.normal(0.0, GRIPPER_SIGMA)


def _opens(group: Group) -> bool:
    return group.action.convention == "gripper"


def _scales(group: Group, step_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Noise per step and largest bump, one value for each channel, native units."""
    match group.action.convention:
        case "ee_delta":
            # A tenth of a full step; BridgeData's action limits.
            return (
                np.array([0.003, 0.003, 0.003, 0.015, 0.015, 0.03]),
                np.array([0.05, 0.05, 0.05, 0.1, 0.1, 0.25]),
            )
        case "joint_position":
            # A twentieth and two thirds of what the joints may move in a step; they add up.
            full = np.array([joint.velocity for joint in group.joints]) * step_s
            return full / 20.0, full / 1.5
        case "base_waypoints":
            # A tenth and all of half the speed limit for the length of a step.
            speed, _, turn = (joint.velocity * step_s / 2.0 for joint in group.joints)
            return np.array([speed, 0.0, turn]) / 10.0, np.array([speed, 0.0, turn])
        case "base_velocity":
            speed, _, turn = (joint.velocity / 2.0 for joint in group.joints)
            return np.array([speed, turn]) / 10.0, np.array([speed, turn])
    raise ValueError(f"no disturbance is known for {group.action.convention}")
