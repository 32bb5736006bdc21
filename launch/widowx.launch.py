"""Bring up a WidowX: bringup.launch.py with embodiment:=widowx; the other arguments are the same.

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
