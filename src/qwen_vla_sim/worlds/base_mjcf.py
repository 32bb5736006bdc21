"""MJCF of a differential-drive base: what carries and moves it, whatever stands on top."""

BASE_RADIUS_M = 0.25
"""Footprint: a circle, so that turning on the spot never touches anything."""

_SEEN = 'contype="0" conaffinity="0"'


def base_mjcf(on_top: str) -> str:
    """The body ``base_link`` with its three joints; its origin is on the floor, x ahead.

    Args:
        on_top: cameras, and bodies that ride on it.
    """
    return f"""
    <body name="base_link">
      <joint name="base_x" type="slide" axis="1 0 0"/>
      <joint name="base_y" type="slide" axis="0 1 0"/>
      <joint name="base_yaw" type="hinge" axis="0 0 1"/>
      <geom type="cylinder" pos="0 0 0.12" size="{BASE_RADIUS_M} 0.08" mass="40"
            rgba="0.16 0.17 0.19 1" contype="1" conaffinity="1"/>
      <geom type="cylinder" pos="0 0.2 0.06" size="0.06 0.02" euler="1.5708 0 0" mass="1"
            rgba="0.05 0.05 0.05 1" {_SEEN}/>
      <geom type="cylinder" pos="0 -0.2 0.06" size="0.06 0.02" euler="1.5708 0 0" mass="1"
            rgba="0.05 0.05 0.05 1" {_SEEN}/>
      {on_top}
    </body>"""


BASE_ACTUATORS = """
    <velocity name="base_x" joint="base_x" kv="800" forcerange="-200 200"/>
    <velocity name="base_y" joint="base_y" kv="800" forcerange="-200 200"/>
    <velocity name="base_yaw" joint="base_yaw" kv="40" forcerange="-20 20"/>"""
"""Wheels: they reach a commanded speed within about 50 ms, and slip where something is in the way.
"""
