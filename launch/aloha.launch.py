"""Bring up an ALOHA: bringup.launch.py with embodiment:=aloha; the other arguments are the same.

Beside it run the followers' drivers (xs_sdk in follower_left and follower_right) and the cameras.
Interbotix's own launch file starts them; its leaders stay off, and the followers are prepared for
streaming, with their grippers in current_based_position mode:
    MODES=$(ros2 pkg prefix --share qwen_vla_ros)/config/interbotix_modes/vx300s
    ros2 launch aloha aloha_bringup.launch.py launch_leaders:=false is_mobile:=false \\
        robot_model_follower:=vx300s \\
        follower_modes_left:=${MODES}_left.yaml follower_modes_right:=${MODES}_right.yaml
The robot model decides how the driver computes finger positions, and the gripper preset in the
embodiment has to fit it: Trossen's kits (aloha_vx300s, the default) need another than
embodiments/aloha.yaml, which names all three.

Example:
    ros2 launch qwen_vla_ros aloha.launch.py instruction:="put the red block into the box"
"""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource


def generate_launch_description():
    """Include bringup.launch.py for this robot."""
    bringup = PythonLaunchDescriptionSource(str(Path(__file__).with_name("bringup.launch.py")))
    return LaunchDescription(
        [IncludeLaunchDescription(bringup, launch_arguments={"embodiment": "aloha"}.items())]
    )
