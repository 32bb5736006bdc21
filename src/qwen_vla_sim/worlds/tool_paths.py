"""Where a robot's tools and its base come while its joints move."""

import mujoco
import numpy as np

from qwen_vla_core.embodiment.schema import BASE_JOINTS

from .world import World

BASE = "base"
"""The path of a mobile base: its middle, on the floor."""


def tool_paths(world: World, positions_TD: np.ndarray) -> dict[str, np.ndarray]:
    """Places [T, 3] in the world, m, of every tool and of the base, for joint positions [T, D].

    Kinematics alone: nothing moves in the world, and nothing is in the way. A base's positions
    count from where it stands now, as in a chunk.

    Returns:
        Driver namespace of each arm, and ``BASE`` for a base -> its path.
    """
    scratch = mujoco.MjData(world.model)
    scratch.qpos[:] = world.data.qpos
    names, is_base_D = world.embodiment.joint_names, np.array(world.embodiment.base_D)
    addresses_D = np.array([world.model.joint(name).qposadr[0] for name in names])
    sites = {namespace: _tool(world, arm.joint_names[-2]) for namespace, arm in world.arms.items()}
    paths: dict[str, list] = {name: [] for name in sites}
    if world.base is not None:
        paths[BASE] = []
        start = np.array([world.data.joint(name).qpos.item() for name in BASE_JOINTS])
    for positions_D in positions_TD:
        scratch.qpos[addresses_D[~is_base_D]] = positions_D[~is_base_D]
        if world.base is not None:
            scratch.qpos[addresses_D[is_base_D]] = _moved(start, positions_D[is_base_D])
        mujoco.mj_kinematics(world.model, scratch)
        for name, site in sites.items():
            paths[name].append(scratch.site_xpos[site].copy())
        if world.base is not None:
            paths[BASE].append(scratch.body("base_link").xpos.copy())
    return {name: np.stack(path) for name, path in paths.items()}


def _tool(world: World, last_joint: str) -> int:
    """The site that marks the tool: the one on the arm's last link."""
    (site,) = np.flatnonzero(world.model.site_bodyid == world.model.joint(last_joint).bodyid)
    return int(site)


def _moved(pose: np.ndarray, by: np.ndarray) -> np.ndarray:
    """A pose [x, y, yaw] after a displacement along its own axes."""
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    return pose + [cos * by[0] - sin * by[1], sin * by[0] + cos * by[1], by[2]]
