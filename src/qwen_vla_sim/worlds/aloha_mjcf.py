"""Two vx300s side by side before a table with cubes, and three cameras, as MJCF text.

The world's origin and the places of both bases are those of Interbotix's ALOHA (static transforms
in aloha_bringup.launch.py): followers at (0.5, +-0.25, 0) m, both looking along x. Cubes that a
scene does not use stay parked below the table.
"""

from ..hardware.xs_models import ARM_JOINTS
from .arm_world_mjcf import arm_world_mjcf
from .look_at import look_at
from .objects_mjcf import TOUCHED
from .vx300s_mjcf import Vx300s

SIDES = ("left", "right")
BASES_M = {"left": (0.5, 0.25, 0.0), "right": (0.5, -0.25, 0.0)}
ARMS = {
    side: Vx300s(
        joints=tuple(f"{side}_{joint}" for joint in (*ARM_JOINTS, "gripper")),
        camera=f"cam_{side}_wrist",
        position_m=BASES_M[side],
    )
    for side in SIDES
}

CUBE_HALF_M = {f"cube_{k}": 0.02 for k in range(4)}
"""Body -> half of its edge. A scene gives them colours and shows as many as it needs."""
UNSEEN_CUBE_HALF_M = {f"unseen_cube_{k}": 0.016 if k % 2 else 0.024 for k in range(4)}
"""The same of those that are never trained on."""
_PARKED_Z_M = -1.0


def aloha_mjcf() -> str:
    """The whole world."""
    cubes = "".join(
        _cube(name, half_m, parked_y_m=0.1 * k)
        for k, (name, half_m) in enumerate((CUBE_HALF_M | UNSEEN_CUBE_HALF_M).items())
    )
    return f"""
<mujoco model="aloha">
  {arm_world_mjcf(znear=0.01)}
  <worldbody>
    <light pos="0.8 0.3 1.5" dir="0.1 -0.2 -1" directional="true" castshadow="false"
           diffuse="0.4 0.4 0.4" specular="0 0 0"/>
    <camera name="cam_high" {look_at((0.42, 0.0, 0.72), (0.80, 0.0, 0.0))} fovy="36"/>
    <body name="ground">
      <geom type="box" pos="0.8 0 -0.02" size="0.6 0.75 0.02" rgba="0.80 0.77 0.72 1"
            {TOUCHED}/>
    </body>
    {"".join(arm.body() for arm in ARMS.values())}
    {cubes}
  </worldbody>
  <equality>
    {"".join(arm.mirroring() for arm in ARMS.values())}
  </equality>
  <actuator>
    {"".join(arm.servos() for arm in ARMS.values())}
  </actuator>
</mujoco>"""


def _cube(name: str, half_m: float, parked_y_m: float) -> str:
    return f"""
    <body name="{name}" pos="0 {parked_y_m} {_PARKED_Z_M}" gravcomp="1">
      <freejoint name="{name}"/>
      <geom type="box" size="{half_m} {half_m} {half_m}" density="780" {TOUCHED}/>
    </body>"""
