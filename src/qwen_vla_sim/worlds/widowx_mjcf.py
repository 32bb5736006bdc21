"""A wx250s on a table with objects and two cameras, as MJCF text."""

from .arm_world_mjcf import arm_world_mjcf
from .look_at import look_at
from .objects_mjcf import HALF_M, TOUCHED, object_mjcf
from .wx250s_mjcf import WX250S_MIRRORING, wx250s_body, wx250s_servos

_HEAD = arm_world_mjcf(znear=0.02, option=' jacobian="dense"')


def widowx_mjcf() -> str:
    """The whole world; objects that a task does not use float behind the robot."""
    return f"""
<mujoco model="widowx">
  {_HEAD}
  <worldbody>
    <light pos="0.3 0.3 1.5" dir="0 -0.2 -1" directional="true" castshadow="false"
           diffuse="0.4 0.4 0.4" specular="0 0 0"/>
    <camera name="over_shoulder" {look_at((-0.05, 0.42, 0.42), (0.28, 0.015, 0.075))} fovy="34"/>
    <body name="ground">
      <geom type="box" pos="0.2 0 -0.02" size="0.9 0.9 0.02" rgba="0.78 0.74 0.68 1"
            {TOUCHED}/>
    </body>
    {wx250s_body()}
    {"".join(object_mjcf(name, (-0.5, 0.12 * i - 0.6, 0.1)) for i, name in enumerate(HALF_M))}
  </worldbody>
  <equality>{WX250S_MIRRORING}
  </equality>
  <actuator>{wx250s_servos()}
  </actuator>
</mujoco>"""
