"""A wx250s on a mobile base before a long low bench with blocks, as MJCF text.

The bench is as high as the deck on which the arm stands, so that the arm finds the same
heights as at its table. The middle of the bench's front edge is the world's origin; the base
comes from -x.
"""

from .arm_world_mjcf import arm_world_mjcf
from .base_mjcf import BASE_ACTUATORS, base_mjcf
from .objects_mjcf import BLOCKS, BRICKS, TOUCHED, object_mjcf
from .wx250s_mjcf import WX250S_MIRRORING, wx250s_body, wx250s_servos

_HEAD = arm_world_mjcf(znear=0.01, option=' jacobian="dense"')
BENCH_Z_M = 0.22
"""Height of the bench and of the arm's base_link."""
ARM_X_M = 0.2
"""The arm's base_link in the base's."""
CAMERA_X_M = 0.0
"""The forward camera, on a mast behind the arm, in the base's frame."""


def widowx_mobile_mjcf() -> str:
    """The whole world; blocks that a task does not use float below the floor."""
    top = BENCH_Z_M
    blocks = "".join(
        object_mjcf(name, (0.0, 0.2 * i, -1.0)) for i, name in enumerate(BLOCKS + BRICKS)
    )
    camera = (
        f'<camera name="front" pos="{CAMERA_X_M} 0 0.72" fovy="55" '
        'xyaxes="0 -1 0 0.5446 0 0.8387"/>'  # 33 degrees down
    )
    return f"""
<mujoco model="widowx_mobile">
  {_HEAD}
  <worldbody>
    <light pos="0 0 2" dir="0.2 -0.2 -1" directional="true" castshadow="false"
           diffuse="0.4 0.4 0.4" specular="0 0 0"/>
    <geom type="box" pos="0 0 -0.02" size="3 3 0.02" rgba="0.45 0.47 0.50 1"
          contype="0" conaffinity="0"/>
    <body name="ground">
      <geom type="box" pos="0.25 0 {top / 2}" size="0.25 0.8 {top / 2}" rgba="0.78 0.74 0.68 1"
            {TOUCHED}/>
    </body>
    {blocks}
    {base_mjcf(camera + wx250s_body(f"{ARM_X_M} 0 {BENCH_Z_M}"))}
  </worldbody>
  <equality>{WX250S_MIRRORING}
  </equality>
  <actuator>{BASE_ACTUATORS}{wx250s_servos()}
  </actuator>
</mujoco>"""
