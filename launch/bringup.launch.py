"""Bring up one embodiment: control_node and policy_node, with the robot or with simulation.

Example:
    ros2 launch qwen_vla_ros bringup.launch.py embodiment:=widowx use_sim:=true
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from qwen_vla_core.embodiment import find_embodiment, load_embodiment
from qwen_vla_ros.bringup import describe_bringup
from qwen_vla_ros.resources import SHIPPED_CHECKPOINT, embodiments_directory, share_directory

ARGUMENTS = {
    "embodiment": (None, "name in embodiments/ or path of a YAML file"),
    "checkpoint": ("", "folder of the policy's weights; empty for the shipped ones"),
    "instruction": ("", "the task in words; may come later on policy/instruction"),
    "use_sim": ("false", "simulated hardware instead of the robot's drivers"),
    "dry_run": ("false", "compute and show everything, send nothing to the hardware"),
    "use_rviz": ("true", "watch in RViz"),
}


def _nodes(context):
    value = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    path = find_embodiment(value["embodiment"], embodiments_directory())
    name = load_embodiment(path).name
    nodes = [
        Node(
            package="qwen_vla_ros",
            executable=node.name,
            name=node.name,
            parameters=[str(node.parameter_file), dict(node.parameters)],
            output="screen",
        )
        for node in describe_bringup(
            embodiment=str(path),
            checkpoint=value["checkpoint"] or str(SHIPPED_CHECKPOINT),
            instruction=value["instruction"],
            use_sim=value["use_sim"] == "true",
            dry_run=value["dry_run"] == "true",
        )
    ]
    if value["use_rviz"] == "true":
        layout = share_directory() / "rviz" / f"{name}.rviz"
        nodes.append(Node(package="rviz2", executable="rviz2", arguments=["-d", str(layout)]))
    return nodes


def generate_launch_description():
    """Declare the arguments; the nodes follow from bringup.py."""
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in ARGUMENTS.items()
            ),
            OpaqueFunction(function=_nodes),
        ]
    )
