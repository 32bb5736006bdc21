"""LIBERO's suites, and LIBERO-PRO's: https://github.com/Lifelong-Robot-Learning/LIBERO

A task is ``<suite>/<number>``. Its 50 initial states are LIBERO's; a state from 50 on is a seed
with which LIBERO itself lays a scene out. As in OpenVLA's and openpi's evaluations things fall for
ten steps first, an episode of each suite has so many steps, and a view has 256 x 256 pixels.
"""

from pathlib import Path

import numpy as np
from libero.libero import benchmark, get_libero_path
from libero.libero.envs import OffScreenRenderEnv
from PIL import Image

from . import pick_and_place_expert
from .environment import Outcome
from .rotations import rotation_vector

SETTLE_STEPS = 10
STILL = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0])
"""Stay, and open the gripper."""
STEPS = {
    "libero_spatial": 220,
    "libero_object": 280,
    "libero_goal": 300,
    "libero_10": 520,
    "libero_90": 400,
}
"""Longest episode of each suite and its variants (openpi 15a9616, examples/libero/main.py)."""
SIDE_PX = 256
OPENPI_PX = 224
CAMERAS = {"agent_view": "agentview", "wrist": "robot0_eye_in_hand"}
TRANSLATION_M, ROTATION_RAD = 0.05, 0.5
"""What an action of 1 asks of the arm (robosuite 1.4, osc_pose.json: output_max)."""
_UNIT = np.array([TRANSLATION_M] * 3 + [ROTATION_RAD] * 3)
_DISTURBANCE = 0.5


class Libero:
    """Implements ``Environment``. Its state and actions are openpi's for LIBERO."""

    hz = 20.0

    def __init__(self) -> None:
        self._task = None

    def reset(self, task: str, state: int) -> str:
        """As ``Environment.reset``."""
        if task != self._task:
            self._open(task)
        states = self._states
        self._environment.seed(0 if state < len(states) else state)
        self._environment.reset()
        if state < len(states):
            self._environment.set_init_state(states[state])
        for _ in range(SETTLE_STEPS):
            self._observation, *_ = self._environment.step(STILL)
        self._commanded, self._steps = STILL, 0
        return self._instruction

    def _open(self, task: str) -> None:
        suite_name, _, number = task.partition("/")
        if self._task is not None:
            self._environment.close()
        suite = benchmark.get_benchmark(suite_name)(task_order_index=0)
        described = suite.get_task(int(number))
        folder = Path(get_libero_path("bddl_files")) / described.problem_folder
        self._environment = OffScreenRenderEnv(
            bddl_file_name=str(folder / described.bddl_file),
            camera_heights=SIDE_PX,
            camera_widths=SIDE_PX,
        )
        self._environment.seed(0)
        self._environment.reset()
        inner = self._environment.env
        # Further resets lay the scene out anew without reading all meshes again, 4 s of computing.
        inner.hard_reset = False
        # Drawn when somebody looks: it neither moves anything nor changes what is seen.
        for camera in CAMERAS.values():
            inner.modify_observable(f"{camera}_image", "enabled", False)
            inner.modify_observable(f"{camera}_image", "active", False)
        self._states = suite.get_task_init_states(int(number))
        self._instruction, self._task = described.language, task
        self._longest = next(n for name, n in STEPS.items() if suite_name.startswith(name))

    def picture(self) -> dict[str, np.ndarray]:
        """As ``Environment.picture``; LIBERO's own images have their first row at the bottom."""
        return {
            name: self._environment.sim.render(camera_name=camera, width=SIDE_PX, height=SIDE_PX)[
                ::-1
            ]
            for name, camera in CAMERAS.items()
        }

    def request(self, images: dict[str, np.ndarray], metadata: dict) -> dict:
        """As ``Environment.request``; others are asked as openpi's examples/libero does it."""
        seen = self._observation
        if metadata.get("protocol") == "qwen_vla":
            return {
                "images": images,
                "state": self._positions(),
                "prompt": self._instruction,
                "embodiment": "libero_panda",
                "units": "normalised",
            }
        tool = self._environment.sim.data.get_site_xmat("gripper0_grip_site")
        # Their models were trained on images turned by 180 degrees, which mirrors these.
        turned = {name: _reduced(image[:, ::-1]) for name, image in images.items()}
        return {
            "observation/image": turned["agent_view"],
            "observation/wrist_image": turned["wrist"],
            "observation/state": np.concatenate(
                [seen["robot0_eef_pos"], rotation_vector(tool), seen["robot0_gripper_qpos"]]
            ),
            "prompt": self._instruction,
        }

    def actions(self, answer: dict, metadata: dict) -> np.ndarray:
        """As ``Environment.actions``."""
        actions = np.asarray(answer["actions"], float)
        if metadata.get("protocol") != "qwen_vla":
            return actions[:, :7]
        robot = metadata["embodiments"]["libero_panda"]
        low, high = np.array(robot["action_q01"]), np.array(robot["action_q99"])
        native = low + (actions + 1.0) / 2.0 * (high - low)
        return np.concatenate([native[:, :6] / _UNIT, 1.0 - 2.0 * native[:, 6:]], axis=1)

    def step(self, action: np.ndarray) -> Outcome:
        """As ``Environment.step``."""
        action = np.clip(action, -1.0, 1.0)
        self._observation, _, done, _ = self._environment.step(action)
        self._commanded, self._steps = action, self._steps + 1
        return Outcome(success=bool(done), ended=bool(done) or self._steps >= self._longest)

    def expert(self) -> np.ndarray:
        """As ``Environment.expert``: for tasks that place one thing in or on another."""
        goals = self._environment.env.parsed_problem["goal_state"]
        if len(goals) != 1 or goals[0][0] not in ("in", "on"):
            raise NotImplementedError(f"there is no expert for {goals}")
        kind, thing, place = goals[0]
        data = self._environment.sim.data
        return pick_and_place_expert.act(
            tool_m=data.get_site_xpos("gripper0_grip_site").copy(),
            tool=data.get_site_xmat("gripper0_grip_site").copy(),
            fingers_m=float(np.abs(self._observation["robot0_gripper_qpos"]).sum()),
            closing=self._commanded[6] > 0.0,
            thing_m=self._corners(thing),
            place_m=self._corners(place.removesuffix("_contain_region")),
            drop=kind == "in",
        )

    def _corners(self, name: str) -> np.ndarray:
        """Lower and upper corner [2, 3] of what surrounds a thing, m."""
        inner = self._environment.env
        model, data = self._environment.sim.model, self._environment.sim.data
        root = inner.obj_body_id[name]
        corners = []
        for geom in range(model.ngeom):
            body = model.geom_bodyid[geom]
            if model.body_rootid[body] != root and body != root:
                continue
            mesh = model.geom_dataid[geom]
            if mesh >= 0:
                begin = model.mesh_vertadr[mesh]
                points = model.mesh_vert[begin : begin + model.mesh_vertnum[mesh]]
            else:
                size = model.geom_size[geom]
                size = (
                    np.array([size[0], size[0], size[1]]) if model.geom_type[geom] == 5 else size
                )
                points = size * np.array(
                    [
                        [-1, -1, -1],
                        [1, 1, 1],
                        [-1, 1, 1],
                        [1, -1, -1],
                        [1, -1, 1],
                        [-1, 1, -1],
                        [-1, -1, 1],
                        [1, 1, -1],
                    ]
                )
            turned = points @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom]
            corners += [turned.min(axis=0), turned.max(axis=0)]
        return np.array([np.min(corners, axis=0), np.max(corners, axis=0)])

    def disturb(self, action: np.ndarray, by: np.ndarray) -> np.ndarray:
        """As ``Environment.disturb``; the gripper is left alone."""
        pushed = np.array(action)
        pushed[:6] += _DISTURBANCE * by[:6] * [1.0, 1.0, 1.0, 0.2, 0.2, 0.2]
        return pushed

    def row(self, action: np.ndarray) -> dict[str, np.ndarray]:
        """As ``Environment.row``. A delta counts from where the arm is: that is its command."""
        positions = self._positions()
        action = np.clip(action, -1.0, 1.0)
        native = np.append(action[:6] * _UNIT, (1.0 - action[6]) / 2.0)
        return {"positions": positions, "commanded": positions, "action": native}

    def _positions(self) -> np.ndarray:
        """The arm's joints [7], rad, and a finger's position, m."""
        seen = self._observation
        return np.append(seen["robot0_joint_pos"], seen["robot0_gripper_qpos"][0])


def _reduced(image: np.ndarray) -> np.ndarray:
    """As openpi's client resizes."""
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize((OPENPI_PX, OPENPI_PX), Image.BILINEAR))
