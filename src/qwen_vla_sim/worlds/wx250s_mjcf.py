"""The wx250s, the WidowX 250 6DOF, as parts of an MJCF text.

Axes, joint ranges and link offsets are the published ones (Interbotix wx250s URDF and product of
exponentials). What is seen is made of boxes and cylinders, so that it renders quickly in software;
only the hand touches things.
"""

from ..hardware.dynamixel_gripper import gripper_damping_n_s_m
from ..hardware.xs_models import FINGER, WX250S
from .objects_mjcf import TOUCHED

_DARK = 'rgba="0.13 0.13 0.15 1"'
_SERVO = 'rgba="0.25 0.26 0.29 1"'
_METAL = 'rgba="0.62 0.64 0.68 1"'
_FINGER = 'rgba="0.08 0.08 0.09 1"'
_SEEN = 'contype="0" conaffinity="0"'
_BUMPS = 'contype="1" conaffinity="1"'


def wx250s_body(position_m: str = "0 0 0") -> str:
    """The arm, looking along x, with its wrist camera; its base_link is the body ``arm_base``."""
    return f"""
    <body name="arm_base" pos="{position_m}">
      <geom type="cylinder" pos="0 0 0.035" size="0.055 0.035" {_DARK} {_SEEN}/>
      <body name="shoulder_link" pos="0 0 0.07" gravcomp="1">
        {_joint("waist", "0 0 1", 0.06)}
        <geom type="box" pos="0 0 0.03" size="0.03 0.045 0.035" {_SERVO} {_SEEN} mass="0.5"/>
        <body name="upper_arm_link" pos="0 0 0.04065" gravcomp="1">
          {_joint("shoulder", "0 1 0", 0.1)}
          <geom type="box" pos="0 0 0.12" size="0.017 0.024 0.12" {_DARK} {_SEEN} mass="0.35"/>
          <geom type="box" pos="0.02 0 0.25" size="0.045 0.026 0.02" {_SERVO} {_SEEN} mass="0.2"/>
          <body name="forearm_link" pos="0.04975 0 0.25" gravcomp="1">
            {_joint("elbow", "0 1 0", 0.06)}
            <geom type="box" pos="0.07 0 0" size="0.06 0.020 0.017" {_DARK} {_SEEN} mass="0.2"/>
            <body name="forearm_roll_link" pos="0.14 0 0" gravcomp="1">
              {_joint("forearm_roll", "1 0 0", 0.01)}
              <geom type="box" pos="0.045 0 0" size="0.05 0.017 0.017" {_SERVO} {_SEEN}
                    mass="0.15"/>
              <body name="wrist_link" pos="0.11 0 0" gravcomp="1">
                {_joint("wrist_angle", "0 1 0", 0.02)}
                <geom type="box" pos="0.025 0 0" size="0.035 0.022 0.016" {_DARK} {_SEEN}
                      mass="0.12"/>
                <body name="gripper_link" pos="0.065 0 0" gravcomp="1">
                  {_joint("wrist_rotate", "1 0 0", 0.005)}
                  <geom type="box" pos="0.022 0 0" size="0.027 0.018 0.018" {_SERVO} {_BUMPS}
                        mass="0.1"/>
                  <geom type="box" pos="0.056 0 0" size="0.007 0.047 0.012" {_METAL} {_BUMPS}
                        mass="0.05"/>
                  <site name="ee_gripper_link" pos="0.093575 0 0" size="0.003" rgba="0 0 0 0"/>
                  <camera name="wrist" pos="0.02 0 0.075" fovy="75"
                          xyaxes="0 -1 0 0.5 0 0.866"/>
                  {_finger(FINGER, 1, gripper_damping_n_s_m(WX250S))}
                  {_finger(f"{FINGER}_mirror", -1, 0.0)}
                </body>
              </body>
            </body>
          </body>
        </body>
      </body>
    </body>"""


WX250S_MIRRORING = f"""
    <joint joint1="{FINGER}_mirror" joint2="{FINGER}" polycoef="0 1 0 0 0"
           solref="0.004 1" solimp="0.99 0.999 0.001"/>"""
"""What makes the right finger follow the left one, for the equality section."""


def wx250s_servos() -> str:
    """Its motors, for the actuator section."""
    return f"""
    {_servo("waist", 500, 0.02, 10)}
    {_servo("shoulder", 900, 0.02, 20)}
    {_servo("elbow", 600, 0.02, 15)}
    {_servo("forearm_roll", 80, 0.02, 2)}
    {_servo("wrist_angle", 200, 0.02, 5)}
    {_servo("wrist_rotate", 40, 0.02, 1)}
    <motor name="{FINGER}" joint="{FINGER}"/>"""


def _joint(name: str, axis: str, armature: float) -> str:
    low, high = WX250S.limits_rad[name]
    return (
        f'<joint name="{name}" axis="{axis}" range="{low} {high}" limited="true" '
        f'armature="{armature}" damping="0.2"/>'
    )


def _finger(name: str, side: int, damping: float) -> str:
    low, high = WX250S.finger_limits_m
    return f"""
                  <body name="{name}" pos="0.066 0 0" gravcomp="1">
                    <joint name="{name}" type="slide" axis="0 {side} 0" range="{low} {high}"
                           limited="true" armature="0.2" frictionloss="2" damping="{damping}"
                           solreflimit="0.004 1" solimplimit="0.99 0.999 0.001"/>
                    <geom type="box" pos="0.022 {side * 0.005} 0" size="0.023 0.005 0.011"
                          mass="0.02" {_FINGER} {TOUCHED}/>
                  </body>"""


def _servo(joint: str, kp: float, lag_s: float, effort: float) -> str:
    low, high = WX250S.limits_rad[joint]
    return (
        f'<position name="{joint}" joint="{joint}" kp="{kp}" kv="{kp * lag_s}" '
        f'ctrlrange="{low} {high}" forcerange="-{effort} {effort}"/>'
    )
