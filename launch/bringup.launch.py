"""Bring up one embodiment: control_node and policy_node, with the robot or with simulation.

Example:
    ros2 launch qwen_vla_ros bringup.launch.py embodiment:=widowx use_sim:=true
"""

from qwen_vla_ros.launching.description import bringup_description


def generate_launch_description():
    """The nodes follow from the arguments and bringup.py."""
    return bringup_description()
