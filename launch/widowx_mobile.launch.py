"""Bring up a WidowX on a base: bringup.launch.py with embodiment:=widowx_mobile.

Beside it run the arm's driver (xs_sdk in the namespace wx250s), the base's driver (see
mobile_base.launch.py) and the cameras. The arm is prepared for streaming:
    ros2 launch interbotix_xsarm_control xsarm_control.launch.py robot_model:=wx250s \\
        mode_configs:=$(ros2 pkg prefix --share qwen_vla_ros)/config/interbotix_modes/wx250s.yaml

Example:
    ros2 launch qwen_vla_ros widowx_mobile.launch.py instruction:="fetch the red block"
"""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource


def generate_launch_description():
    """Include bringup.launch.py for this robot."""
    bringup = PythonLaunchDescriptionSource(str(Path(__file__).with_name("bringup.launch.py")))
    return LaunchDescription(
        [
            IncludeLaunchDescription(
                bringup, launch_arguments={"embodiment": "widowx_mobile"}.items()
            )
        ]
    )
