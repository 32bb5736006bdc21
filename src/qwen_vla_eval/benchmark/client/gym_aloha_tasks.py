"""gym-aloha's two tasks: https://github.com/huggingface/gym-aloha

Initial states are seeds, as LeRobot's evaluation has them: state k is seed 1000 + k. The step
limit, 300 of 0.02 s, and the success test (reward 4) are gym-aloha's.
"""

import gym_aloha  # noqa: F401  registers the environments
import gymnasium
import numpy as np

from . import transfer_cube_expert
from .environment import Outcome

FIRST_SEED = 1000
"""Of LeRobot's evaluation (lerobot/configs/eval.py)."""
CLOSED_M, OPEN_M = 0.01844, 0.058  # gym_aloha/constants.py, PUPPET_GRIPPER_POSITION_*
HEIGHT, WIDTH = 480, 640

_TASKS = {
    "transfer_cube": (
        "gym_aloha/AlohaTransferCube-v0",
        "Pick up the cube with the right arm and transfer it to the left arm.",
        transfer_cube_expert,
    ),
    "insertion": (
        "gym_aloha/AlohaInsertion-v0",
        "Insert the peg into the socket.",
        None,
    ),
}
"""Instructions are those of LeRobot's datasets: gym-aloha itself has none."""
_DISTURBANCE = 0.006
"""Largest disturbance of a commanded joint, rad a step."""


class GymAloha:
    """Implements ``Environment``. Its state and actions are openpi's for a simulated ALOHA."""

    hz = 50.0

    def __init__(self) -> None:
        self._environments: dict[str, gymnasium.Env] = {}

    def reset(self, task: str, state: int) -> str:
        """As ``Environment.reset``."""
        name, instruction, self._expert = _TASKS[task]
        if task not in self._environments:
            self._environments[task] = _make(name)
        self._environment = self._environments[task]
        self._physics = self._environment.unwrapped._env.physics
        observation, _ = self._environment.reset(seed=FIRST_SEED + state)
        self._joints_14 = observation["agent_pos"]
        self._commanded_14 = self._joints_14.copy()
        self._instruction = instruction
        return instruction

    def picture(self) -> dict[str, np.ndarray]:
        """As ``Environment.picture``: the view that the benchmark's observation has."""
        return {"cam_high": self._physics.render(height=HEIGHT, width=WIDTH, camera_id="top")}

    def request(self, images: dict[str, np.ndarray], metadata: dict) -> dict:
        """As ``Environment.request``; openpi's examples/aloha_sim send the same."""
        request = {
            "images": {name: np.moveaxis(image, 2, 0) for name, image in images.items()},
            "state": self._joints_14,
            "prompt": self._instruction,
        }
        if metadata.get("protocol") == "qwen_vla":
            request |= {"embodiment": "gym_aloha", "commanded": self._commanded_14}
        return request

    def actions(self, answer: dict, metadata: dict) -> np.ndarray:
        """As ``Environment.actions``."""
        return np.asarray(answer["actions"], float)[:, :14]

    def step(self, action: np.ndarray) -> Outcome:
        """As ``Environment.step``."""
        observation, _, _, late, info = self._environment.step(action)
        self._joints_14 = observation["agent_pos"]
        self._commanded_14 = np.array(action, float)
        success = bool(info["is_success"])
        return Outcome(success=success, ended=success or bool(late))

    def expert(self) -> np.ndarray:
        """As ``Environment.expert``."""
        if self._expert is None:
            raise NotImplementedError("there is no expert for insertion")
        things = self._physics.data.qpos[16:].copy()
        return self._expert.act(self._joints_14, self._commanded_14, things)

    def disturb(self, action: np.ndarray, by: np.ndarray) -> np.ndarray:
        """As ``Environment.disturb``; grippers are left alone."""
        joints = np.ones(14)
        joints[[6, 13]] = 0.0
        return action + _DISTURBANCE * joints * by

    def row(self, action: np.ndarray) -> dict[str, np.ndarray]:
        """As ``Environment.row``; the embodiment's native actions are gym-aloha's."""
        return {
            "positions": _in_metres(self._joints_14),
            "commanded": _in_metres(self._commanded_14),
            "action": np.asarray(action, float),
        }


def _make(name: str) -> gymnasium.Env:
    """The environment, which draws only when it is asked to.

    By itself it draws three views of 640 x 480 in every step, two of which nobody gets: 0.3 s a
    step on one core. Neither motion nor what is seen depends on that.
    """
    environment = gymnasium.make(name, obs_type="pixels_agent_pos", disable_env_checker=True)
    task, undrawn = environment.unwrapped._env.task, np.zeros((1, 1, 3), np.uint8)
    task.get_observation = lambda physics: {
        "qpos": task.get_qpos(physics),
        "images": {"top": undrawn},
    }
    return environment


def _in_metres(joints_14: np.ndarray) -> np.ndarray:
    """Grippers as the finger's position."""
    result = np.array(joints_14, float)
    result[[6, 13]] = CLOSED_M + result[[6, 13]] * (OPEN_M - CLOSED_M)
    return result
