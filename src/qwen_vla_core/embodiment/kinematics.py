"""Forward and inverse kinematics of one arm, by Pinocchio from a URDF generated of the YAML."""

from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np
import pinocchio as pin

from ..errors import KinematicsError, NonFiniteError
from .schema import Group

AXES = {"x": "1 0 0", "y": "0 1 0", "z": "0 0 1"}
AXES |= {"-x": "-1 0 0", "-y": "0 -1 0", "-z": "0 0 -1"}
_ROOT, _TOOL = "base_link", "tool"

POSITION_TOLERANCE_M = 1e-4
"""A tenth of a millimetre: the finest step the Interbotix drivers resolve is about 0.4 mm."""
ROTATION_TOLERANCE_RAD = 1e-3
MAX_ITERATIONS = 100
DAMPING = 1e-2
"""Damped least squares: bounds the joint step near singular poses (m/rad mixed units)."""
MAX_STEP_RAD = 0.3
"""Largest joint step per iteration, so that the linearisation stays true."""


def build_urdf(group: Group) -> str:
    """The group's chain as URDF text; link masses are not modelled."""
    robot = Element("robot", name=group.name)
    SubElement(robot, "link", name=_ROOT)
    kinematics = group.action.kinematics
    parent = _ROOT
    for joint, link in zip(group.joints, kinematics.links, strict=True):
        kind = "revolute" if joint.unit == "rad" else "prismatic"
        child = f"{joint.name}_link"
        element = _add_joint(robot, joint.name, kind, parent, child, link.origin_m)
        SubElement(element, "axis", xyz=AXES[link.axis])
        SubElement(
            element,
            "limit",
            lower=repr(joint.lower),
            upper=repr(joint.upper),
            velocity=repr(joint.velocity),
            effort="0",
        )
        parent = child
    _add_joint(robot, f"{_TOOL}_joint", "fixed", parent, _TOOL, kinematics.tool_origin_m)
    return tostring(robot, encoding="unicode")


def _add_joint(
    robot: Element, name: str, kind: str, parent: str, child: str, origin_m: tuple[float, ...]
) -> Element:
    SubElement(robot, "link", name=child)
    joint = SubElement(robot, "joint", name=name, type=kind)
    SubElement(joint, "parent", link=parent)
    SubElement(joint, "child", link=child)
    SubElement(joint, "origin", xyz=" ".join(repr(float(v)) for v in origin_m), rpy="0 0 0")
    return joint


class ArmKinematics:
    """The chain of one group. Poses are 4x4 transforms of the tool in base_link, metres."""

    def __init__(self, group: Group) -> None:
        self._model = pin.buildModelFromXML(build_urdf(group))
        self._data = self._model.createData()
        self._tool = self._model.getFrameId(_TOOL)
        self.lower_D = np.array([joint.lower for joint in group.joints])
        self.upper_D = np.array([joint.upper for joint in group.joints])
        # A joint's pose before its parent's, [D, 4, 4]: at zero, and by how much it changes with
        # sin q and 1 - cos q (Rodrigues) or, of a prismatic one, with q.
        self._at_zero, self._sine, self._versine, self._slide = np.zeros(
            (4, len(group.joints), 4, 4)
        )
        for d, (joint, link) in enumerate(
            zip(group.joints, group.action.kinematics.links, strict=True)
        ):
            axis = np.array(AXES[link.axis].split(), dtype=float)
            self._at_zero[d] = np.eye(4)
            self._at_zero[d, :3, 3] = link.origin_m
            if joint.unit == "rad":
                turn = pin.skew(axis)
                self._sine[d, :3, :3], self._versine[d, :3, :3] = turn, turn @ turn
            else:
                self._slide[d, :3, 3] = axis

    def forward(self, positions_D: np.ndarray) -> np.ndarray:
        """Tool pose [4, 4] for joint positions [D].

        Raises:
            NonFiniteError: a position is NaN or infinite.
        """
        if not np.isfinite(positions_D).all():
            raise NonFiniteError(f"joint positions {positions_D} are not finite")
        pin.framesForwardKinematics(self._model, self._data, np.asarray(positions_D, dtype=float))
        return self._data.oMf[self._tool].homogeneous.copy()

    def links(self, positions_BD: np.ndarray) -> np.ndarray:
        """Poses [B, 1 + D, 4, 4] in base_link: its own, and those of the links that joints move.

        For positions [B, D], all at once: Pinocchio takes eight times as long for one after the
        other, most of it to hand its placements over.

        Raises:
            NonFiniteError: a position is NaN or infinite.
        """
        if not np.isfinite(positions_BD).all():
            raise NonFiniteError(f"joint positions {positions_BD} are not finite")
        q = positions_BD[..., None, None]
        local = self._at_zero + np.sin(q) * self._sine + (1.0 - np.cos(q)) * self._versine
        local = local + q * self._slide
        poses = np.empty((len(positions_BD), 1 + local.shape[1], 4, 4))
        poses[:, 0] = np.eye(4)
        for d in range(local.shape[1]):
            np.matmul(poses[:, d], local[:, d], out=poses[:, d + 1])
        return poses

    def jacobian(self, positions_D: np.ndarray) -> np.ndarray:
        """How the tool moves with the joints, [6, D].

        Its velocity, m/s, and turning rate, rad/s, along the axes of base_link, for joint
        velocities in rad/s or m/s.
        """
        return pin.computeFrameJacobian(
            self._model,
            self._data,
            np.asarray(positions_D, dtype=float),
            self._tool,
            pin.ReferenceFrame.LOCAL_WORLD_ALIGNED,
        ).copy()

    def inverse(self, pose: np.ndarray, start_D: np.ndarray) -> np.ndarray:
        """Joint positions [D] within the limits that put the tool at ``pose``, near ``start_D``.

        Damped least squares; joints at a limit are taken out of the step, so that the others can
        still use their freedom.

        Raises:
            KinematicsError: no solution found within the limits; the message tells what is left.
            NonFiniteError: an input is NaN or infinite.
        """
        if not (np.isfinite(pose).all() and np.isfinite(start_D).all()):
            raise NonFiniteError("inverse kinematics: the pose is not finite")
        target = pin.SE3(np.asarray(pose, dtype=float))
        positions_D = np.clip(np.asarray(start_D, dtype=float), self.lower_D, self.upper_D)
        for _ in range(MAX_ITERATIONS):
            pin.framesForwardKinematics(self._model, self._data, positions_D)
            error = pin.log6(self._data.oMf[self._tool].actInv(target)).vector
            if (
                np.linalg.norm(error[:3]) < POSITION_TOLERANCE_M
                and np.linalg.norm(error[3:]) < ROTATION_TOLERANCE_RAD
            ):
                return positions_D
            jacobian = pin.computeFrameJacobian(
                self._model, self._data, positions_D, self._tool, pin.ReferenceFrame.LOCAL
            )
            positions_D = self._step(positions_D, jacobian, error)
        raise KinematicsError(
            f"no joint positions within the limits reach {np.round(pose[:3, 3], 3)} m; "
            f"{np.linalg.norm(error[:3]) * 1e3:.1f} mm and "
            f"{np.linalg.norm(error[3:]):.3f} rad are left"
        )

    def _step(
        self, positions_D: np.ndarray, jacobian: np.ndarray, error: np.ndarray
    ) -> np.ndarray:
        free = np.ones(len(positions_D), dtype=bool)
        while True:
            active = jacobian[:, free]
            damped = active @ active.T + DAMPING**2 * np.eye(6)
            step = np.zeros(len(positions_D))
            step[free] = active.T @ np.linalg.solve(damped, error)
            step *= min(1.0, MAX_STEP_RAD / max(np.abs(step).max(), 1e-12))
            pushed_out = free & (
                ((positions_D >= self.upper_D) & (step > 0.0))
                | ((positions_D <= self.lower_D) & (step < 0.0))
            )
            if not pushed_out.any() or not (free & ~pushed_out).any():
                return np.clip(positions_D + step, self.lower_D, self.upper_D)
            free &= ~pushed_out
