"""The task "drive to the red block and pick it up", for an arm on a mobile base.

The blocks stand along the edge of a bench: out of the arm's reach, so that the base has to drive
to the one that the sentence names, and in sight, because the policy has
no other way to find it.
"""

from dataclasses import replace

import numpy as np

from ..hardware.xs_models import WX250S
from ..worlds.widowx_mobile_mjcf import BENCH_Z_M
from ..worlds.world import World
from .fetch_expert import FetchExpert
from .pick_up import PickUp
from .shifts import Shift
from .tabletop import start_pose
from .task import Scene
from .wording import Wording

_ROW_M, _UNSEEN_ROW_M = (0.05, 0.10), (0.11, 0.14)
"""How far behind the edge of the bench the blocks stand."""
_WIDTH_M = 0.28
_BETWEEN_M = 0.17
_YAW_RAD = (-0.2, 0.2)
_START_M, _START_YAW_RAD = ((-0.93, -0.75), (-0.1, 0.1)), 0.1
_SCATTER_M, _SCATTER_YAW_RAD = ((-0.8, -0.45), (-0.2, 0.2)), 0.3
"""Distances of the base's middle; the bench's edge is at zero."""


class Fetch(PickUp):
    """Scenes of blocks on a bench; success is the same as on the WidowX's table."""

    name = "fetch"
    time_limit_s = 20.0
    wording = Wording(
        trained=(
            "drive to the {colour} block and pick it up",
            "go to the {colour} block and pick it up",
        ),
        unseen=(
            "drive to it and pick up the {colour} block",
            "go and pick the {colour} block up",
        ),
    )

    def sample(self, seed: int, shift: Shift = Shift.NONE) -> Scene:
        """The pick-up scene of the seed with its blocks on the bench and the robot before it."""
        scene = super().sample(seed, shift)
        rng = np.random.default_rng([seed, 4])
        row = _UNSEEN_ROW_M if shift is Shift.POSITION else _ROW_M
        x, y = rng.uniform(*np.transpose(_START_M))
        yaw = rng.uniform(-_START_YAW_RAD, _START_YAW_RAD)
        objects = {}
        for body, across_m in zip(scene.objects, _apart(rng, len(scene.objects)), strict=True):
            behind_m = rng.uniform(*row)
            # Square to where the robot comes from, but for a little.
            facing = np.arctan2(across_m - y, behind_m - x) + rng.uniform(*_YAW_RAD)
            height_m = BENCH_Z_M + scene.objects[body][2]
            objects[body] = (behind_m, across_m, height_m, facing)
        return replace(
            scene,
            positions_D=np.array([0.0, 0.0, 0.0, *WX250S.sleep_rad, WX250S.finger_limits_m[1]]),
            objects=objects,
            base_pose=(x, y, yaw),
        )

    def scatter(self, scene: Scene, rng: np.random.Generator) -> Scene:
        """The base somewhere on its way, the arm folded or ready."""
        x, y = rng.uniform(*np.transpose(_SCATTER_M))
        yaw = rng.uniform(-_SCATTER_YAW_RAD, _SCATTER_YAW_RAD)
        scene = replace(scene, base_pose=(x, y, yaw))
        if rng.random() < 0.5:
            return scene
        return replace(scene, positions_D=np.append(np.zeros(3), start_pose(rng, self._codec)))

    def expert(self, world: World, scene: Scene) -> FetchExpert:
        """The scripted expert for this task."""
        return FetchExpert(self._codec, world, scene, self.named)


def _apart(rng: np.random.Generator, count: int) -> list[float]:
    """Where blocks stand along the bench, in any order, the robot fitting between any two."""
    while True:
        places = rng.uniform(-_WIDTH_M, _WIDTH_M, count)
        if np.diff(np.sort(places)).min(initial=np.inf) >= _BETWEEN_M:
            return places.tolist()
