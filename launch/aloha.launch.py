"""Bring up an ALOHA: bringup.launch.py with embodiment:=aloha; the other arguments are the same.

Beside it run the followers' drivers (xs_sdk in follower_left and follower_right) and the cameras:
bringup_hardware:=true starts them, with teleop:=leader the leaders as well. By hand, Interbotix's
own launch file does; the followers are prepared for streaming, with their grippers in
current_based_position mode:
    MODES=$(ros2 pkg prefix --share qwen_vla_ros)/config/interbotix_modes/vx300s
    ros2 launch aloha aloha_bringup.launch.py launch_leaders:=false is_mobile:=false \\
        use_gravity_compensation:=false robot_model_follower:=vx300s \\
        follower_modes_left:=${MODES}_left.yaml follower_modes_right:=${MODES}_right.yaml
The robot model decides how the driver computes finger positions, and the gripper preset in the
embodiment has to fit it: Trossen's kits (aloha_vx300s, the default) need another than
embodiments/aloha.yaml, which names all three.

Example:
    ros2 launch qwen_vla_ros aloha.launch.py instruction:="pick up the red cube with the left arm"
"""

from qwen_vla_ros.launching.description import bringup_description


def generate_launch_description():
    """All of bringup.launch.py's arguments; the robot is this one unless they name another."""
    return bringup_description("aloha")
