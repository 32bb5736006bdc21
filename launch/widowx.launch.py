"""Bring up a WidowX: bringup.launch.py with embodiment:=widowx; the other arguments are the same.

Beside it run the arm's driver (xs_sdk in the namespace wx250s) and the cameras. The arm is
prepared for streaming, with its gripper in pwm mode:
    ros2 launch interbotix_xsarm_control xsarm_control.launch.py robot_model:=wx250s \\
        mode_configs:=$(ros2 pkg prefix --share qwen_vla_ros)/config/interbotix_modes/wx250s.yaml

Example:
    ros2 launch qwen_vla_ros widowx.launch.py instruction:="pick up the red block"
"""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource


def generate_launch_description():
    """Include bringup.launch.py for this robot."""
    bringup = PythonLaunchDescriptionSource(str(Path(__file__).with_name("bringup.launch.py")))
    return LaunchDescription(
        [IncludeLaunchDescription(bringup, launch_arguments={"embodiment": "widowx"}.items())]
    )
