"""Where every part of a robot is, by Pinocchio from the robot's own URDF."""

from collections.abc import Mapping

import numpy as np
import pinocchio as pin

from ..embodiment import Embodiment
from .urdf import arms, robot_urdf, tool_frame

MIRROR = "_mirror"
"""Ends the name of the finger that follows another."""


class RobotModel:
    """The whole robot in one pass; all places are in ``scene_frame``."""

    def __init__(self, embodiment: Embodiment) -> None:
        model = pin.buildModelFromXML(robot_urdf(embodiment))
        self._model, self._data = model, model.createData()
        names = [name.removesuffix(MIRROR) for name in list(model.names)[1:]]
        rows = embodiment.joint_names
        self._rows = np.array([rows.index(name) for name in names], dtype=int)
        order = [model.joints[i + 1].idx_q for i in range(len(names))]
        self._rows = self._rows[np.argsort(order)]
        self._joints = {name: i + 1 for i, name in reversed(list(enumerate(names)))}
        self._tools = {arm.name: model.getFrameId(tool_frame(arm)) for arm in arms(embodiment)}
        self.links: Mapping[str, int] = {
            frame.name: i
            for i, frame in enumerate(model.frames)
            if frame.type == pin.FrameType.BODY and frame.name != "universe"
        }
        """Name of each link -> its number."""

    def move(self, positions_D: np.ndarray) -> None:
        """Bring all joints to finite positions [D], those of a base to its pose in the scene."""
        q = np.asarray(positions_D, dtype=float)[self._rows]
        pin.framesForwardKinematics(self._model, self._data, q)

    def tools(self) -> dict[str, np.ndarray]:
        """Place [3] of each arm's tool, m."""
        return {name: self._data.oMf[i].translation.copy() for name, i in self._tools.items()}

    def joint_place(self, joint: str) -> np.ndarray | None:
        """Where a joint is, [3], m; None where its chain is not known."""
        number = self._joints.get(joint)
        return None if number is None else self._data.oMi[number].translation.copy()

    def link_poses(self) -> dict[str, np.ndarray]:
        """Pose [4, 4] of every link."""
        return {name: self._data.oMf[i].homogeneous.copy() for name, i in self.links.items()}
