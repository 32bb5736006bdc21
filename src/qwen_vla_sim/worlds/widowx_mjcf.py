"""The wx250s on a table with objects and two cameras, as MJCF text.

Axes, joint ranges and link offsets are the published ones (Interbotix wx250s URDF and product of
exponentials). What is seen is made of boxes and cylinders, so that it renders quickly in software.
"""

import numpy as np

from ..hardware.dynamixel_gripper import GRIPPER_DAMPING_N_S_M
from ..hardware.xs_models import FINGER, WX250S

BLOCK_HALF_M = 0.02
BLOCKS = ("block_1", "block_2", "block_3")

TIMESTEP_S = 0.002

_DARK = 'rgba="0.13 0.13 0.15 1"'
_SERVO = 'rgba="0.25 0.26 0.29 1"'
_METAL = 'rgba="0.62 0.64 0.68 1"'
_FINGER = 'rgba="0.08 0.08 0.09 1"'
_SEEN = 'contype="0" conaffinity="0"'
_TOUCHED = 'contype="1" conaffinity="1"'
_GRIP = 'condim="4" friction="1.2 0.02 0.0001" solref="0.005 1" solimp="0.98 0.998 0.001"'


def _look_at(eye, target) -> str:
    """MJCF attributes of a camera at ``eye`` that looks at ``target``, its horizon level."""
    forward = np.subtract(target, eye) / np.linalg.norm(np.subtract(target, eye))
    right = np.cross(forward, (0.0, 0.0, 1.0))
    up = np.cross(right, forward)
    numbers = (" ".join(f"{v:.6f}" for v in part) for part in (eye, (*right, *up)))
    return 'pos="{}" xyaxes="{}"'.format(*numbers)


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
            <geom type="box" pos="0.022 {side * 0.005} 0" size="0.023 0.005 0.011" mass="0.02"
                  {_FINGER} {_TOUCHED} {_GRIP}/>
          </body>"""


def _block(name: str, y_m: float) -> str:
    half = BLOCK_HALF_M
    return f"""
    <body name="{name}" pos="-0.5 {y_m} 0.1" gravcomp="1">
      <freejoint name="{name}"/>
      <geom type="box" size="{half} {half} {half}" mass="0.05" {_TOUCHED} {_GRIP}/>
    </body>"""


def _servo(joint: str, kp: float, lag_s: float, effort: float) -> str:
    low, high = WX250S.limits_rad[joint]
    return (
        f'<position name="{joint}" joint="{joint}" kp="{kp}" kv="{kp * lag_s}" '
        f'ctrlrange="{low} {high}" forcerange="-{effort} {effort}"/>'
    )


def widowx_mjcf() -> str:
    """The whole world; objects that a task does not use float behind the robot."""
    return f"""
<mujoco model="widowx">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="{TIMESTEP_S}" integrator="implicitfast" cone="elliptic" impratio="10"/>
  <visual>
    <headlight ambient="0.35 0.35 0.35" diffuse="0.25 0.25 0.25" specular="0 0 0"/>
    <quality offsamples="0" shadowsize="0"/>
    <map znear="0.02" zfar="4"/>
    <global offwidth="640" offheight="480"/>
  </visual>
  <asset>
    <texture type="skybox" builtin="flat" rgb1="0.55 0.60 0.64" width="16" height="96"/>
  </asset>
  <worldbody>
    <light pos="0.3 0.3 1.5" dir="0 -0.2 -1" directional="true" castshadow="false"
           diffuse="0.4 0.4 0.4" specular="0 0 0"/>
    <camera name="over_shoulder" {_look_at((-0.05, 0.42, 0.42), (0.28, 0.015, 0.075))} fovy="34"/>
    <body name="ground">
      <geom type="box" pos="0.2 0 -0.02" size="0.9 0.9 0.02" rgba="0.78 0.74 0.68 1"
            {_TOUCHED} {_GRIP}/>
    </body>
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
                <geom type="box" pos="0.022 0 0" size="0.027 0.018 0.018" {_SERVO} {_TOUCHED}
                      mass="0.1"/>
                <geom type="box" pos="0.056 0 0" size="0.007 0.047 0.012" {_METAL} {_TOUCHED}
                      mass="0.05"/>
                <site name="ee_gripper_link" pos="0.093575 0 0" size="0.003" rgba="0 0 0 0"/>
                <camera name="wrist" pos="0.02 0 0.075" fovy="75"
                        xyaxes="0 -1 0 0.5 0 0.866"/>
                {_finger(FINGER, 1, GRIPPER_DAMPING_N_S_M)}
                {_finger(f"{FINGER}_mirror", -1, 0.0)}
              </body>
            </body>
          </body>
        </body>
      </body>
    </body>
    {"".join(_block(name, 0.2 * i - 0.2) for i, name in enumerate(BLOCKS))}
  </worldbody>
  <equality>
    <joint joint1="{FINGER}_mirror" joint2="{FINGER}" polycoef="0 1 0 0 0"
           solref="0.004 1" solimp="0.99 0.999 0.001"/>
  </equality>
  <actuator>
    {_servo("waist", 500, 0.02, 10)}
    {_servo("shoulder", 900, 0.02, 20)}
    {_servo("elbow", 600, 0.02, 15)}
    {_servo("forearm_roll", 80, 0.02, 2)}
    {_servo("wrist_angle", 200, 0.02, 5)}
    {_servo("wrist_rotate", 40, 0.02, 1)}
    <motor name="{FINGER}" joint="{FINGER}"/>
  </actuator>
</mujoco>"""
