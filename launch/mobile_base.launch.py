"""Bring up a mobile base: bringup.launch.py with embodiment:=mobile_base; the rest is the same.

Beside it run the base's driver and the camera; bringup_hardware:=true starts them. For Trossen's
SLATE that is slate_base in the namespace mobile_base (aloha_bringup.launch.py starts it with
use_base:=true); nothing else may publish mobile_base/cmd_vel meanwhile, so
use_joystick_teleop:=false. For another base, such as one under diff_drive_controller, write its
topics and 'stamped' into a copy of the YAML.

Example:
    ros2 launch qwen_vla_ros mobile_base.launch.py instruction:="go to the blue ball"
"""

from qwen_vla_ros.launching.description import bringup_description


def generate_launch_description():
    """All of bringup.launch.py's arguments; the robot is this one unless they name another."""
    return bringup_description("mobile_base")
