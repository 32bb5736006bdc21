"""A room with things standing about and a mobile base in it, as MJCF text.

Things are primitives of plain colours, so that they render quickly in software. What a scene does
not use stays parked below the floor.
"""

from collections.abc import Mapping
from types import MappingProxyType

from .base_mjcf import BASE_ACTUATORS, base_mjcf

TIMESTEP_S = 0.005
ROOM_M = 4.0
"""From the middle to each wall."""
COPIES = 3
"""How many there are of each kind and shape; a scene shows no more."""

SHAPES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "pillar": {
            "usual": '<geom type="cylinder" pos="0 0 0.5" size="0.14 0.5"/>',
            "unseen": '<geom type="box" pos="0 0 0.65" size="0.09 0.09 0.65"/>',
        },
        "cone": {
            "usual": '<geom type="mesh" mesh="cone" pos="0 0 0.3"/>',
            "unseen": '<geom type="mesh" mesh="flat_cone" pos="0 0 0.2"/>',
        },
        "box": {
            "usual": '<geom type="box" pos="0 0 0.19" size="0.19 0.19 0.19"/>',
            "unseen": '<geom type="box" pos="0 0 0.12" size="0.12 0.24 0.12"/>',
        },
        "ball": {
            "usual": '<geom type="sphere" pos="0 0 0.2" size="0.2"/>',
            "unseen": '<geom type="sphere" pos="0 0 0.14" size="0.14"/>',
        },
    }
)
"""Kind -> shape -> what it looks like, standing on the floor."""
RADIUS_M = MappingProxyType({"pillar": 0.14, "cone": 0.24, "box": 0.27, "ball": 0.20})
"""Radius of the circle in which each kind stands, whatever its shape."""

_TOUCHED = 'contype="1" conaffinity="1"'


def body_name(kind: str, shape: str, copy: int) -> str:
    """What one thing is called."""
    return f"{kind}_{shape}_{copy}"


def mobile_base_mjcf() -> str:
    """The whole world."""
    things = "".join(
        f'<body name="{body_name(kind, shape, copy)}" pos="0 0 -5">{geom}</body>'
        for kind, shapes in SHAPES.items()
        for shape, geom in shapes.items()
        for copy in range(COPIES)
    )
    walls = "".join(
        f'<geom type="box" pos="{x} {y} 0.6" size="{half_x} {half_y} 0.6" rgba="0.8 0.8 0.78 1"/>'
        for x, y, half_x, half_y in (
            (ROOM_M, 0, 0.05, ROOM_M),
            (-ROOM_M, 0, 0.05, ROOM_M),
            (0, ROOM_M, ROOM_M, 0.05),
            (0, -ROOM_M, ROOM_M, 0.05),
        )
    )
    camera = (
        '<camera name="front" pos="0.15 0 0.6" fovy="80" '
        'xyaxes="0 -1 0 0.2588 0 0.9659"/>'  # 15 degrees down
    )
    return f"""
<mujoco model="mobile_base">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="{TIMESTEP_S}" integrator="implicitfast"/>
  <visual>
    <headlight ambient="0.45 0.45 0.45" diffuse="0.25 0.25 0.25" specular="0 0 0"/>
    <quality offsamples="0" shadowsize="0"/>
    <map znear="0.01" zfar="4"/>
    <global offwidth="640" offheight="480"/>
  </visual>
  <asset>
    <texture type="skybox" builtin="flat" rgb1="0.80 0.82 0.84" width="16" height="96"/>
    <mesh name="cone" builtin="cone" params="16 0.1" scale="0.2 0.2 0.3"/>
    <mesh name="flat_cone" builtin="cone" params="16 0.4" scale="0.24 0.24 0.2"/>
  </asset>
  <default>
    <geom {_TOUCHED}/>
  </default>
  <worldbody>
    <light pos="0 0 3" dir="0.3 0.2 -1" directional="true" castshadow="false"
           diffuse="0.4 0.4 0.4" specular="0 0 0"/>
    <body name="ground">
      <geom type="box" pos="0 0 -0.02" size="{ROOM_M} {ROOM_M} 0.02" contype="0" conaffinity="0"
            rgba="0.70 0.67 0.62 1"/>
    </body>
    <body name="walls">{walls}</body>
    {things}
    {base_mjcf(camera)}
  </worldbody>
  <actuator>{BASE_ACTUATORS}
  </actuator>
</mujoco>"""
