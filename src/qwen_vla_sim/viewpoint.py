"""Where a robot's cameras see a place, for joints as they were measured or planned.

In a world of its own, so that the one in which the robot moves is not touched; of a real robot
nobody knows where its cameras stand.
"""

from collections.abc import Mapping

import mujoco
import numpy as np

from qwen_vla_core.embodiment import Embodiment

from .registry import make_world
from .worlds.projection import project


class Viewpoint:
    """The cameras of one robot."""

    def __init__(self, embodiment: Embodiment) -> None:
        """Build the world.

        Raises:
            EmbodimentError: the robot has none.
        """
        self._world = make_world(embodiment)

    def move(self, joints: Mapping[str, float]) -> None:
        """Bring the robot's joints to positions by name, those of a base to its pose."""
        data = self._world.data
        for name, position in joints.items():
            data.joint(name).qpos[:] = position
        mujoco.mj_kinematics(self._world.model, data)
        mujoco.mj_camlight(self._world.model, data)

    def project(self, camera: str, points_N3: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Places [N, 3], m, as a camera sees them: as ``worlds.projection.project``."""
        return project(self._world, camera, points_N3, size)
