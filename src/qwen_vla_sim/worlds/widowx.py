"""The simulated WidowX: physics, servos and cameras behind the few calls the rest needs."""

import atexit
from collections.abc import Mapping

import numpy as np

from ..gl import select_gl

select_gl()

import mujoco  # noqa: E402  (reads MUJOCO_GL when imported)

from ..dynamixel_gripper import DynamixelGripper  # noqa: E402
from .widowx_mjcf import ARM_JOINTS, BLOCK_HALF_M, BLOCK_RGB, TIMESTEP_S, widowx_mjcf  # noqa: E402

IMAGE_SIZE = 256
"""Side of the published images, pixels; BridgeData stores 256 x 256."""
_PARKED_X_M = -0.5


class WidowxWorld:
    """A wx250s, three blocks and two cameras. One thread at a time.

    Joint positions [7] are the six of the arm, rad, then left_finger, m: the joint order of
    ``embodiments/widowx.yaml``.
    """

    def __init__(self, image_size: int = IMAGE_SIZE) -> None:
        self.model = mujoco.MjModel.from_xml_string(widowx_mjcf())
        self.data = mujoco.MjData(self.model)
        self.gripper = DynamixelGripper()
        self._image_size = image_size
        self._renderer: mujoco.Renderer | None = None
        joints = [self.model.joint(name) for name in (*ARM_JOINTS, "left_finger")]
        self._qpos = np.array([joint.qposadr[0] for joint in joints])
        self._dof = np.array([joint.dofadr[0] for joint in joints])
        self._gripper_actuator = self.model.actuator("gripper").id
        self._effort = self.model.actuator_forcerange.copy()
        self._gravcomp = self.model.body_gravcomp.copy()
        self._geom_body = self.model.geom_bodyid
        self._finger_bodies = {self.model.body(f"{s}_finger").id for s in ("left", "right")}

    def reset(
        self, positions_D: np.ndarray, blocks: Mapping[str, tuple[float, float, float]]
    ) -> None:
        """Put the arm at joint positions [7] at rest, and blocks on the table.

        Args:
            blocks: colour -> (x m, y m, yaw rad); colours not named are parked out of sight.
        """
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[self._qpos] = positions_D
        self.data.joint("right_finger").qpos = positions_D[-1]
        for index, colour in enumerate(BLOCK_RGB):
            x, y, yaw = blocks.get(colour, (_PARKED_X_M, 0.2 * index - 0.2, 0.0))
            self.data.joint(colour).qpos = [
                x,
                y,
                BLOCK_HALF_M,
                np.cos(yaw / 2),
                0,
                0,
                np.sin(yaw / 2),
            ]
        self.command_arm(positions_D[:-1])
        self.gripper.set_mode(self.gripper.mode, positions_D[-1])
        mujoco.mj_forward(self.model, self.data)

    def command_arm(self, goal_rad: np.ndarray) -> None:
        """New goal of the six position servos; like the real ones they hold it until the next."""
        self.data.ctrl[: len(ARM_JOINTS)] = goal_rad

    def command_joint(self, joint: str, goal_rad: float) -> None:
        """New goal of one position servo."""
        self.data.ctrl[ARM_JOINTS.index(joint)] = goal_rad

    def set_torque(self, joint: str, enabled: bool) -> None:
        """Hold or release one joint of the arm; a fully released arm falls."""
        index = ARM_JOINTS.index(joint)
        self.model.actuator_forcerange[index] = self._effort[index] if enabled else 0.0
        held = self.model.actuator_forcerange[: len(ARM_JOINTS)].any()
        self.model.body_gravcomp[:] = self._gravcomp if held else 0.0
        self.data.ctrl[index] = self.data.qpos[self._qpos[index]]

    def step(self, duration_s: float) -> None:
        """Advance the physics; ``duration_s`` is a multiple of ``TIMESTEP_S``."""
        for _ in range(round(duration_s / TIMESTEP_S)):
            finger_m = self.data.qpos[self._qpos[-1]]
            self.data.ctrl[self._gripper_actuator] = self.gripper.force_n(finger_m)
            mujoco.mj_step(self.model, self.data)

    @property
    def positions_D(self) -> np.ndarray:
        """Measured joint positions [7]."""
        return self.data.qpos[self._qpos]

    @property
    def velocities_D(self) -> np.ndarray:
        """Measured joint velocities [7], rad/s and m/s."""
        return self.data.qvel[self._dof]

    @property
    def efforts_D(self) -> np.ndarray:
        """What the motors exert [7], N m and N; gravity is compensated and not in it."""
        return self.data.actuator_force.copy()

    def block_position(self, colour: str) -> np.ndarray:
        """Centre of a block in base_link, m."""
        return self.data.body(colour).xpos.copy()

    def block_rotation(self, colour: str) -> np.ndarray:
        """Orientation of a block [3, 3] in base_link."""
        return self.data.body(colour).xmat.reshape(3, 3).copy()

    def held(self, colour: str) -> bool:
        """Whether both fingers touch the block."""
        block = self.model.body(colour).id
        touching = set()
        for geom1, geom2 in self.data.contact.geom:
            bodies = {self._geom_body[geom1], self._geom_body[geom2]}
            if block in bodies:
                touching |= bodies & self._finger_bodies
        return touching == self._finger_bodies

    def render(self, camera: str) -> np.ndarray:
        """uint8 RGB [size, size, 3] as the named camera sees it now."""
        if self._renderer is None:
            self._renderer = mujoco.Renderer(self.model, self._image_size, self._image_size)
            atexit.register(self.close)  # OpenGL is gone by the time objects are destroyed
        self._renderer.update_scene(self.data, camera)
        return self._renderer.render()

    def close(self) -> None:
        """Free the rendering context, in the thread that rendered."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
