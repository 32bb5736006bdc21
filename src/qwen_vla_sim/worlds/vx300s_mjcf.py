"""The vx300s, ALOHA's follower arm, as parts of an MJCF text.

Axes, joint ranges and link offsets are the published ones (Interbotix vx300s URDF and product of
exponentials). What is seen is made of boxes and cylinders with the extents of the URDF's meshes,
so that it renders quickly in software; only the hand touches things.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..hardware.dynamixel_gripper import gripper_damping_n_s_m
from ..hardware.xs_models import VX300S
from .objects_mjcf import TOUCHED

FINGER_FACE_M = 0.0135
"""The finger's inner face is this much nearer to the middle than the joint says (URDF mesh)."""
FINGERTIP_M = 0.0293
"""How far the fingers reach beyond ee_gripper_link (URDF mesh)."""
_DARK = 'rgba="0.12 0.12 0.14 1"'
_SERVO = 'rgba="0.24 0.25 0.28 1"'
_METAL = 'rgba="0.40 0.42 0.46 1"'
_FINGER = 'rgba="0.07 0.07 0.08 1"'
_SEEN = 'contype="0" conaffinity="0"'

# Interbotix's name, axis, armature kg m^2, stiffness N m/rad, effort N m (URDF).
_SERVOS = (
    ("waist", "0 0 1", 0.1, 900, 10),
    ("shoulder", "0 1 0", 0.2, 1800, 20),
    ("elbow", "0 1 0", 0.1, 1200, 15),
    ("forearm_roll", "1 0 0", 0.02, 160, 2),
    ("wrist_angle", "0 1 0", 0.03, 300, 5),
    ("wrist_rotate", "1 0 0", 0.01, 80, 1),
)
_LAG_S = 0.02
"""How far a joint follows behind its goal, by its servo's damping."""


@dataclass(frozen=True, kw_only=True)
class Vx300s:
    """One arm.

    Attributes:
        joints: names of the six arm joints and the left finger; its bodies and actuators have
            the same names, and ``<finger>_mirror`` is the right finger.
        camera: name of the wrist camera.
        position_m: base_link in the world; the arm looks along x.
    """

    joints: Sequence[str]
    camera: str
    position_m: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def hand(self) -> str:
        """Body that carries the fingers."""
        return self.joints[5]

    @property
    def fingers(self) -> tuple[str, str]:
        """Bodies of both fingers."""
        return self.joints[6], f"{self.joints[6]}_mirror"

    def body(self) -> str:
        """The arm, for the worldbody."""
        waist, shoulder, elbow, forearm_roll, wrist_angle, wrist_rotate = (
            f'<joint name="{name}" axis="{axis}" range="{_range(joint)}" armature="{armature}" '
            'damping="0.2"/>'
            for name, (joint, axis, armature, _, _) in zip(self.joints[:6], _SERVOS, strict=True)
        )
        names = self.joints
        return f"""
    <body pos="{_text(self.position_m)}">
      <geom type="cylinder" pos="0 0 0.009" size="0.102 0.009" {_DARK} {_SEEN}/>
      <geom type="box" pos="-0.135 0 0.032" size="0.062 0.055 0.032" {_DARK} {_SEEN}/>
      <geom type="cylinder" pos="0 0 0.049" size="0.062 0.030" {_DARK} {_SEEN}/>
      <body name="{names[0]}" pos="0 0 0.079" gravcomp="1">
        {waist}
        <geom type="cylinder" pos="0 0 0.008" size="0.061 0.008" {_SERVO} {_SEEN} mass="0.4"/>
        <geom type="box" pos="0 0 0.036" size="0.032 0.052 0.026" {_SERVO} {_SEEN} mass="0.4"/>
        <body name="{names[1]}" pos="0 0 0.04805" gravcomp="1">
          {shoulder}
          <geom type="box" pos="0 0 0.03" size="0.016 0.052 0.032" {_DARK} {_SEEN} mass="0.2"/>
          <geom type="box" pos="0 0 0.16" size="0.0155 0.022 0.14" {_DARK} {_SEEN} mass="0.3"/>
          <geom type="box" pos="0.028 0 0.3" size="0.044 0.028 0.021" {_SERVO} {_SEEN}
                mass="0.29"/>
          <body name="{names[2]}" pos="0.05955 0 0.3" gravcomp="1">
            {elbow}
            <geom type="box" pos="0.028 0 0" size="0.032 0.048 0.0195" {_DARK} {_SEEN}
                  mass="0.1"/>
            <geom type="box" pos="0.12 0 0" size="0.07 0.018 0.017" {_DARK} {_SEEN} mass="0.22"/>
            <body name="{names[3]}" pos="0.2 0 0" gravcomp="1">
              {forearm_roll}
              <geom type="box" pos="0.036 0.0075 0" size="0.038 0.036 0.023" {_SERVO} {_SEEN}
                    mass="0.3"/>
              <geom type="box" pos="0.088 0 0" size="0.025 0.024 0.017" {_DARK} {_SEEN}
                    mass="0.11"/>
              <body name="{names[4]}" pos="0.1 0 0" gravcomp="1">
                {wrist_angle}
                <geom type="box" pos="0.032 0 0.005" size="0.037 0.027 0.02" {_SERVO} {_SEEN}
                      mass="0.12"/>
                <body name="{names[5]}" pos="0.069744 0 0" gravcomp="1">
                  {wrist_rotate}
                  <geom type="box" pos="0.03 0 0.004" size="0.03 0.021 0.024" {_DARK} {TOUCHED}
                        mass="0.1"/>
                  <geom type="box" pos="0.066 0 0" size="0.011 0.075 0.019" {_METAL} {TOUCHED}
                        mass="0.15"/>
                  <geom type="box" pos="0.012 0 0.05" size="0.012 0.006 0.03" {_DARK} {_SEEN}
                        mass="0.02"/>
                  <geom type="box" pos="0.012 0 0.083" size="0.012 0.021 0.011" {_METAL} {_SEEN}
                        mass="0.06"/>
                  <site name="{names[5]}_tool" pos="0.1072 0 0" size="0.003" rgba="0 0 0 0"/>
                  <camera name="{self.camera}" pos="0.0254 0 0.0825" fovy="58"
                          xyaxes="0 -1 0 0.4226 0 0.9063"/>
                  {_finger(self.fingers[0], 1, gripper_damping_n_s_m(VX300S))}
                  {_finger(self.fingers[1], -1, 0.0)}
                </body>
              </body>
            </body>
          </body>
        </body>
      </body>
    </body>"""

    def mirroring(self) -> str:
        """What makes the right finger follow the left one, for the equality section."""
        return (
            f'<joint joint1="{self.fingers[1]}" joint2="{self.fingers[0]}" '
            'polycoef="0 1 0 0 0" solref="0.004 1" solimp="0.99 0.999 0.001"/>'
        )

    def servos(self) -> str:
        """Its motors, for the actuator section."""
        arm = "".join(
            f'<position name="{name}" joint="{name}" kp="{stiffness}" kv="{stiffness * _LAG_S}" '
            f'ctrlrange="{_range(joint)}" forcerange="-{effort} {effort}"/>\n    '
            for name, (joint, _, _, stiffness, effort) in zip(
                self.joints[:6], _SERVOS, strict=True
            )
        )
        return f'{arm}<motor name="{self.joints[6]}" joint="{self.joints[6]}"/>'


def _range(joint: str) -> str:
    low, high = VX300S.limits_rad[joint]
    return f"{low} {high}"


def _finger(name: str, side: int, damping: float) -> str:
    low, high = VX300S.finger_limits_m
    boxes = (  # x and y of the middle, half sizes: carriage on its rail, blade, tip
        (0.002, -0.003, 0.015, 0.010, 0.028),
        (0.030, -0.0095, 0.020, 0.004, 0.016),
        (0.0589, -0.0095, 0.0089, 0.004, 0.0105),
    )
    geoms = "".join(
        f"""
                    <geom type="box" pos="{x} {side * y} 0" size="{a} {b} {c}" mass="0.012"
                          {_FINGER} {TOUCHED}/>"""
        for x, y, a, b, c in boxes
    )
    return f"""
                  <body name="{name}" pos="0.0687 0 0" gravcomp="1">
                    <joint name="{name}" type="slide" axis="0 {side} 0" range="{low} {high}"
                           armature="0.2" frictionloss="2" damping="{damping}"
                           solreflimit="0.004 1" solimplimit="0.99 0.999 0.001"/>{geoms}
                  </body>"""


def _text(numbers: Sequence[float]) -> str:
    return " ".join(f"{number:.6f}" for number in numbers)
