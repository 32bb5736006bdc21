"""Bring up a WidowX on a base: bringup.launch.py with embodiment:=widowx_mobile.

Beside it run the arm's driver (xs_sdk in the namespace wx250s), the base's driver (see
mobile_base.launch.py) and the cameras: bringup_hardware:=true starts them. By hand, the arm
prepared for streaming:
    ros2 launch interbotix_xsarm_control xsarm_control.launch.py robot_model:=wx250s \\
        mode_configs:=$(ros2 pkg prefix --share qwen_vla_ros)/config/interbotix_modes/wx250s.yaml

The shipped weights were not trained for this robot: name others with checkpoint:=, or let the
scripted expert drive the simulated one. Engage it with control/engage_policy.

Example:
    ros2 launch qwen_vla_ros widowx_mobile.launch.py use_sim:=true checkpoint:=expert \\
        instruction:="drive to the red block and pick it up"
"""

from qwen_vla_ros.launching.description import bringup_description


def generate_launch_description():
    """All of bringup.launch.py's arguments; the robot is this one unless they name another."""
    return bringup_description("widowx_mobile")
