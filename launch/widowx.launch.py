"""Bring up a WidowX: bringup.launch.py with embodiment:=widowx; the other arguments are the same.

Beside it run the arm's driver (xs_sdk in the namespace wx250s) and the cameras:
bringup_hardware:=true starts them. By hand, the arm prepared for streaming, its gripper in pwm
mode:
    ros2 launch interbotix_xsarm_control xsarm_control.launch.py robot_model:=wx250s \\
        mode_configs:=$(ros2 pkg prefix --share qwen_vla_ros)/config/interbotix_modes/wx250s.yaml

Example:
    ros2 launch qwen_vla_ros widowx.launch.py instruction:="pick up the red block"
"""

from qwen_vla_ros.launching.description import bringup_description


def generate_launch_description():
    """All of bringup.launch.py's arguments; the robot is this one unless they name another."""
    return bringup_description("widowx")
