"""A simulated robot among objects: physics, hardware and cameras behind a few calls."""

import atexit
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.errors import EmbodimentError
from qwen_vla_core.images import render_depth

from ..hardware.group_drivers import GROUP_DRIVERS
from ..hardware.slate_base import SlateBase
from ..hardware.xs_arm import XsArm
from ..hardware.xs_models import ARM_JOINTS, FINGER, XsModel

Placement = tuple[float, float, float, float]
"""Where an object stands: x, y, z m of its centre, yaw rad."""
Colour = tuple[float, float, float, float]
"""Red, green, blue, alpha, each 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class CameraError:
    """How far a camera is from where it should be.

    Attributes:
        offset_m: along the axes of the body that carries it.
        turn_rad: about its own x, y and z, one after the other.
    """

    offset_m: tuple[float, float, float]
    turn_rad: tuple[float, float, float]


_MIN_SHARE = 0.0013
"""Part of an image: less than about a tenth of a block does not tell where it is."""
_BOX_DIVISOR = 2
"""Boxes are found in images of half the size: quicker, and finer than the models' views."""


class World:
    """Every world, whatever robot and objects its MJCF describes. One thread at a time.

    The MJCF names each joint, actuator and camera as the embodiment names its joints and cameras;
    a gripper's second finger is the joint and body ``<gripper>_mirror``. An object is a body, and
    one that can be pushed has a free joint of the same name and ``gravcomp="1"``, so that it
    floats where it is parked. What everything stands on is the body ``ground``. Positions [D] are
    in the embodiment's joint order, rad and m.

    Attributes:
        arms: driver namespace -> that arm's motors.
        base: the mobile base, if the robot has one.
        depth_ranges_m: depth camera -> the range that its colours span.
    """

    def __init__(
        self,
        mjcf: str,
        embodiment: Embodiment,
        xs_models: Mapping[str, XsModel],
        image_size: tuple[int, int] = (256, 256),
    ) -> None:
        """Build it.

        Args:
            mjcf: the whole world, as text.
            embodiment: the robot in it.
            xs_models: driver namespace -> type of the arm there.
            image_size: width and height of published images, pixels.

        Raises:
            EmbodimentError: the embodiment names an arm, a joint or a camera that is not there.
        """
        self.model = mujoco.MjModel.from_xml_string(mjcf)
        _require_parts(self.model, embodiment, xs_models)
        self.data = mujoco.MjData(self.model)
        self.embodiment = embodiment
        self.arms = {
            namespace: XsArm(self.model, self.data, xs_model, _joints_of(embodiment, namespace))
            for namespace, xs_model in xs_models.items()
        }
        for group in embodiment.groups:
            mode = GROUP_DRIVERS[group.driver.type].gripper_mode
            if mode is not None:
                self.arms[group.driver.namespace].gripper.set_mode(mode, 0.0)
        self.depth_ranges_m = {c.name: c.depth_range_m for c in embodiment.cameras if c.is_depth}
        has_base = any(embodiment.base_D)
        self.base = SlateBase(self.model, self.data) if has_base else None
        self._devices = [*self.arms.values(), *([self.base] if self.base else [])]
        self._rows = {
            namespace: [embodiment.joint_names.index(name) for name in arm.joint_names]
            for namespace, arm in self.arms.items()
        }
        free = np.flatnonzero(self.model.jnt_type == mujoco.mjtJoint.mjJNT_FREE)
        self._pushable = self.model.jnt_bodyid[free]
        headlight = self.model.vis.headlight
        self._lights = (self.model.light_diffuse, headlight.ambient, headlight.diffuse)
        self._as_described = [
            (part, part.copy())
            for part in (
                self.model.body_pos,
                self.model.body_quat,
                self.model.geom_rgba,
                self.model.cam_pos,
                self.model.cam_quat,
                *self._lights,
            )
        ]
        self._image_size = image_size
        self._renderers: dict[int, mujoco.Renderer] = {}

    def reset(
        self,
        positions_D: np.ndarray,
        objects: Mapping[str, Placement],
        *,
        colours: Mapping[str, Colour] | None = None,
        light: float = 1.0,
        base_pose: tuple[float, float, float] = (0.0, 0.0, 0.0),
        cameras: Mapping[str, CameraError] | None = None,
    ) -> None:
        """Put the robot at rest and everything else where it belongs.

        Args:
            positions_D: of the robot's joints; a base's are ignored.
            objects: what stands where; others are where the MJCF has them, parked out of sight.
            colours: body -> colour of all its shapes, in place of the MJCF's.
            light: how bright it is, 1 as in the MJCF.
            base_pose: of the base in the world: x m, y m, yaw rad.
            cameras: those that do not stand quite where the MJCF has them.
        """
        mujoco.mj_resetData(self.model, self.data)
        for part, described in self._as_described:
            part[:] = described
        self.model.body_gravcomp[self._pushable] = 1.0
        for namespace, arm in self.arms.items():
            arm.reset(positions_D[self._rows[namespace]])
        if self.base is not None:
            self.base.reset(base_pose)
        for name, (x, y, z, yaw) in objects.items():
            body = self.model.body(name)
            turned = np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)
            if body.id in self._pushable:
                self.data.joint(name).qpos = [x, y, z, *turned]
                self.model.body_gravcomp[body.id] = 0.0
            else:
                body.pos, body.quat = (x, y, z), turned
        for name, colour in (colours or {}).items():
            self.model.geom_rgba[self.model.geom_bodyid == self.model.body(name).id] = colour
        for part in self._lights:
            part *= light
        for name, error in (cameras or {}).items():
            camera, turn = self.model.camera(name), np.empty(4)
            camera.pos += error.offset_m
            mujoco.mju_euler2Quat(turn, error.turn_rad, "xyz")
            mujoco.mju_mulQuat(camera.quat, camera.quat.copy(), turn)
        mujoco.mj_forward(self.model, self.data)

    def step(self, duration_s: float) -> None:
        """Advance the physics by a multiple of its time step."""
        for _ in range(round(duration_s / self.timestep_s)):
            for device in self._devices:
                device.before_step()
            mujoco.mj_step(self.model, self.data)

    @property
    def timestep_s(self) -> float:
        """One step of the physics, s."""
        return self.model.opt.timestep

    @property
    def positions_D(self) -> np.ndarray:
        """Measured joint positions [D]; zero for a base, which is its own origin."""
        positions_D = np.zeros(len(self.embodiment.joint_names))
        for namespace, arm in self.arms.items():
            positions_D[self._rows[namespace]] = arm.positions
        return positions_D

    def body_position(self, body: str) -> np.ndarray:
        """Centre of a body in the world, m."""
        return self.data.body(body).xpos.copy()

    def body_rotation(self, body: str) -> np.ndarray:
        """Orientation of a body [3, 3] in the world."""
        return self.data.body(body).xmat.reshape(3, 3).copy()

    def half_extents(self, body: str) -> np.ndarray:
        """Half of the length, width and height [3] of a body's first shape, m, in its own axes."""
        return self.model.geom_aabb[self.model.body(body).geomadr[0], 3:].copy()

    def touching(self, body: str) -> set[str]:
        """The bodies that a body is in contact with."""
        pairs = self.model.geom_bodyid[self.data.contact.geom].reshape(-1, 2)
        own = self.model.body(body).id
        others = pairs[(pairs == own).any(axis=1)]
        return {self.model.body(other).name for other in others[others != own]}

    def render(self, camera: str) -> np.ndarray:
        """uint8 RGB [height, width, 3] as the named camera sees it now, depth in colours."""
        if camera in self.depth_ranges_m:
            return render_depth(self.depth(camera), *self.depth_ranges_m[camera])
        renderer = self._ready_renderer()
        renderer.update_scene(self.data, camera)
        return renderer.render()

    def depth(self, camera: str) -> np.ndarray:
        """Distance along the axis of the named camera, float32 [height, width], m."""
        renderer = self._ready_renderer()
        renderer.enable_depth_rendering()
        renderer.update_scene(self.data, camera)
        depth_HW = renderer.render()
        renderer.disable_depth_rendering()
        return depth_HW

    def visible_boxes(self, camera: str, bodies: Sequence[str]) -> np.ndarray:
        """Left, top, right, bottom of what a camera sees of each of N bodies, float32 [N, 4].

        Fractions of width and height; NaN where there is too little to be seen.
        """
        renderer = self._ready_renderer(_BOX_DIVISOR)
        renderer.enable_segmentation_rendering()
        renderer.update_scene(self.data, camera)
        seen = renderer.render()
        renderer.disable_segmentation_rendering()
        is_geom = seen[..., 1] == int(mujoco.mjtObj.mjOBJ_GEOM)
        body_HW = np.where(is_geom, self.model.geom_bodyid[seen[..., 0]], -1)
        return np.stack([_box(body_HW == self.model.body(body).id) for body in bodies])

    def _ready_renderer(self, divisor: int = 1) -> mujoco.Renderer:
        """One for images of the published size, or a fraction of it."""
        if divisor not in self._renderers:
            width, height = (side // divisor for side in self._image_size)
            self._renderers[divisor] = mujoco.Renderer(self.model, height, width)
            # Before MuJoCo's own, registered by the first renderer: objects live longer than that.
            atexit.register(self.close)
        return self._renderers[divisor]

    def close(self) -> None:
        """Free the rendering contexts, in the thread that rendered."""
        while self._renderers:
            self._renderers.popitem()[1].close()


def _box(shown_HW: np.ndarray) -> np.ndarray:
    """Left, top, right, bottom of the pixels that are true; NaN where they are too few."""
    if np.count_nonzero(shown_HW) < _MIN_SHARE * shown_HW.size:
        return np.full(4, np.nan, dtype=np.float32)
    rows, columns = (np.flatnonzero(shown_HW.any(axis=axis)) for axis in (1, 0))
    height, width = shown_HW.shape
    box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    return (box / [width, height, width, height]).astype(np.float32)


def _require_parts(
    model: mujoco.MjModel, embodiment: Embodiment, xs_models: Mapping[str, XsModel]
) -> None:
    """Refuse an embodiment that this world was not made for."""
    kinds = {
        "joint": (mujoco.mjtObj.mjOBJ_JOINT, model.njnt, embodiment.joint_names),
        "camera": (mujoco.mjtObj.mjOBJ_CAMERA, model.ncam, [c.name for c in embodiment.cameras]),
    }
    described = {
        kind: (wanted, [mujoco.mj_id2name(model, code, i) for i in range(count)])
        for kind, (code, count, wanted) in kinds.items()
    }
    namespaces = {group.driver.namespace for group in embodiment.groups if not group.is_base}
    described["driver namespace"] = (sorted(namespaces), list(xs_models))
    for kind, (wanted, there) in described.items():
        for name in wanted:
            if name not in there:
                raise EmbodimentError(
                    f"{embodiment.name}: world '{embodiment.simulated_world}' has no "
                    f"{kind} '{name}'; there are {', '.join(filter(None, there))}"
                )
    for namespace in xs_models:
        missing = {*ARM_JOINTS, FINGER} - set(_driver_names(embodiment, namespace))
        if missing:
            raise EmbodimentError(
                f"{embodiment.name}: no group of {namespace} has {', '.join(sorted(missing))}"
            )


def _driver_names(embodiment: Embodiment, namespace: str) -> dict[str, str]:
    """What the driver of a namespace calls its joints -> what the embodiment calls them."""
    return {
        joint.driver_name: joint.name
        for group in embodiment.groups
        if not group.is_base and group.driver.namespace == namespace
        for joint in group.joints
    }


def _joints_of(embodiment: Embodiment, namespace: str) -> list[str]:
    """The embodiment's names of the joints behind a namespace, in the order of its driver."""
    names = _driver_names(embodiment, namespace)
    return [names[joint] for joint in (*ARM_JOINTS, FINGER)]
