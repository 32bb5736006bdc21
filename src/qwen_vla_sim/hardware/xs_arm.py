"""The motors of one Interbotix arm in a world: six position servos and a gripper."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .dynamixel_gripper import DynamixelGripper
from .dynamixel_servos import DynamixelServos
from .xs_models import ARM_JOINTS, XsModel

if TYPE_CHECKING:  # importing it for real would fix how it renders before gl.py has chosen
    import mujoco


class XsArm:
    """Commands in, physics out; like the real servos they hold their last goal.

    Args:
        joints: MJCF names of the six arm joints and the left finger, in Interbotix's order;
            actuators have the same names.
    """

    def __init__(
        self,
        model: "mujoco.MjModel",
        data: "mujoco.MjData",
        xs_model: XsModel,
        joints: Sequence[str],
    ) -> None:
        self._model, self._data, self.xs_model = model, data, xs_model
        self.joint_names = tuple(joints)
        self.gripper = DynamixelGripper(xs_model)
        self.servos = DynamixelServos(model, data, joints[:-1])
        handles = [model.joint(name) for name in joints]
        self._qpos = np.array([joint.qposadr[0] for joint in handles])
        self._dof = np.array([joint.dofadr[0] for joint in handles])
        self._actuators = np.array([model.actuator(name).id for name in joints])
        self._mirror = model.joint(f"{joints[-1]}_mirror").qposadr[0]
        self._bodies = sorted({int(model.jnt_bodyid[joint.id]) for joint in handles})
        self._gravcomp = model.body_gravcomp[self._bodies].copy()

    def reset(self, positions: np.ndarray) -> None:
        """Stand at joint positions [7], rad and m, and hold them."""
        self._data.qpos[self._qpos] = positions
        self._data.qpos[self._mirror] = positions[-1]
        self.servos.hold(positions[:-1])
        self.gripper.set_mode(self.gripper.mode, positions[-1])

    def command_joint(self, joint: str, value: float, mode: str | None = None) -> None:
        """New goal of one servo, by Interbotix's name; see DynamixelServos.command."""
        self.servos.command(ARM_JOINTS.index(joint), value, mode)

    def set_torque(self, joint: str, enabled: bool) -> None:
        """Hold or release one joint of the arm; a fully released arm falls."""
        self.servos.set_torque(ARM_JOINTS.index(joint), enabled)
        held = self.servos.torque.any()
        self._model.body_gravcomp[self._bodies] = self._gravcomp if held else 0.0

    def before_step(self) -> None:
        """Apply what the motors do at this instant."""
        self.servos.before_step()
        finger_m = self._data.qpos[self._qpos[-1]]
        self._data.ctrl[self._actuators[-1]] = self.gripper.force_n(finger_m)

    @property
    def positions(self) -> np.ndarray:
        """Measured positions [7]: six joints, rad, and half the opening of the gripper, m."""
        return self._data.qpos[self._qpos]

    @property
    def velocities(self) -> np.ndarray:
        """Measured velocities [7], rad/s and m/s."""
        return self._data.qvel[self._dof]

    @property
    def efforts(self) -> np.ndarray:
        """What the motors exert [7], N m and N; gravity is compensated and not in it."""
        return self._data.actuator_force[self._actuators].copy()
