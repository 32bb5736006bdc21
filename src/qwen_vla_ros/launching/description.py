"""bringup.py's nodes as launch actions, and what happens when one of them ends.

Everything that can be wrong is found before the first node starts: launch leaves alone, without a
parent, what already runs when a later action fails.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ament_index_python.packages import (
    PackageNotFoundError,
    get_package_prefix,
    get_package_share_path,
)
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    LogInfo,
    OpaqueFunction,
    TimerAction,
)
from launch.launch_description_sources import AnyLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node, PushRosNamespace
from launch_ros.parameter_descriptions import ParameterValue

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.resources import PACKAGE, share_directory

from ..bringup import NodeDescription
from ..discovery import discovery_settings, who_can_command
from ..transport import simulation_settings
from ..view_topics import TRANSFORMS, viewed_topics
from .after_exit import after_exit
from .arguments import ARGUMENTS, LaunchArgumentError, read, refuse_unknown
from .hardware import HardwareStart, describe_hardware
from .request import understand

VIEWER = "rviz2"


class NodeEnded(Exception):
    """A node without which the others must not go on; ends the launch with exit status 1."""


def bringup_description(embodiment: str = "") -> LaunchDescription:
    """The launch description of every launch file here.

    Args:
        embodiment: the robot that is launched unless ``embodiment:=`` names another.
    """
    defaults = {name: argument.default for name, argument in ARGUMENTS.items()}
    defaults["embodiment"] = embodiment
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(
                    name, default_value=defaults[name], description=argument.description
                )
                for name, argument in ARGUMENTS.items()
            ),
            OpaqueFunction(function=_launch),
        ]
    )


def _launch(context: LaunchContext) -> list:
    """All actions, once all that was written is understood."""
    typed = [word.partition(":=")[0] for word in context.argv if ":=" in word]
    refuse_unknown({*typed, *context.launch_configurations}, typed_for_us=_is_top_level(context))
    values = read({name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS})
    request = understand(values)
    robot, use_sim, namespace = request.robot, values["use_sim"], values["namespace"].strip("/")
    _check_executables(request.nodes)
    hardware = ()
    if values["bringup_hardware"]:
        hardware = describe_hardware(robot, request.path, values["teleop"], use_sim, _share_of)
    settings = discovery_settings(use_sim, os.environ)
    who = who_can_command(os.environ | settings)
    if use_sim:
        settings |= simulation_settings([robot], os.environ | settings)
    pushed = PurePosixPath(context.launch_configurations.get("ros_namespace", "/"))
    return [
        LogInfo(msg=who),
        *(_hardware(one, pushed / namespace) for one in hardware),
        *(_node(description, settings) for description in request.nodes),
        *(_viewer(robot, namespace, use_sim, settings) if values["use_rviz"] else ()),
    ]


def _is_top_level(context: LaunchContext) -> bool:
    """Whether our launch file is the one that was typed, not one that it includes."""
    ours = context.get_locals_as_dict().get("current_launch_file_path", "")
    return Path(ours).name in {Path(word).name for word in sys.argv}


def _check_executables(descriptions: tuple[NodeDescription, ...]) -> None:
    folder = Path(get_package_prefix(PACKAGE)) / "lib" / PACKAGE
    for description in descriptions:
        if not os.access(folder / description.name, os.X_OK):
            raise LaunchArgumentError(
                f"{folder / description.name} is missing; build {PACKAGE} again"
            )


def _share_of(package: str) -> Path | None:
    try:
        return get_package_share_path(package)
    except PackageNotFoundError:
        return None


def _hardware(one: HardwareStart, namespace: PurePosixPath) -> GroupAction:
    """Another package's launch file or node, in the robot's namespace, with its own arguments."""

    def on_exit(event, context):
        if context.is_shutdown:
            return None
        return [
            LogInfo(
                msg=f"{one.words} ended: what it published is missing, and the robot holds. "
                "Correct what it reported, and launch again"
            )
        ]

    if one.launch_file is not None:
        action = IncludeLaunchDescription(
            AnyLaunchDescriptionSource(str(one.launch_file)),
            launch_arguments=list(one.arguments.items()),
        )
    else:
        action = Node(
            package=one.package,
            executable=one.executable,
            name=one.name,
            namespace=one.namespace,
            parameters=[_parameters(one.parameters)] if one.parameters else [],
            exec_name=one.executable,
            output="screen",
            prefix=_die_with_launch(),
            on_exit=on_exit,
        )
    # Nothing of ours reaches it: a use_sim or a log_level are other things there.
    return GroupAction([PushRosNamespace(str(namespace)), action], scoped=True, forwarding=False)


def _node(description: NodeDescription, settings: Mapping[str, str], restarts: int = 0) -> Node:
    def on_exit(event, context):
        if context.is_shutdown:
            return None
        what = after_exit(description.name, event.returncode, restarts)
        if what.end_all:
            raise NodeEnded(what.message)
        actions = [LogInfo(msg=what.message)]
        if what.restart_after_s is not None:
            again = _node(description, settings, restarts + 1)
            actions.append(TimerAction(period=what.restart_after_s, actions=[again]))
        return actions

    return Node(
        package=PACKAGE,
        executable=description.name,
        exec_name=description.name,
        name=description.name,
        namespace=description.namespace,
        parameters=[
            str(description.parameter_file),
            _parameters(description.parameters),
        ],
        ros_arguments=description.ros_arguments,
        additional_env=dict(settings),
        output="screen",
        prefix=_die_with_launch(),
        on_exit=on_exit,
    )


def _parameters(parameters: Mapping) -> dict:
    """A string stays one: launch would otherwise read "yes", "1" or "a: b" as YAML."""
    return {
        key: ParameterValue(value, value_type=str) if isinstance(value, str) else value
        for key, value in parameters.items()
    }


def _viewer(robot: Embodiment, namespace: str, use_sim: bool, settings: Mapping[str, str]) -> list:
    """RViz where it is installed; nothing depends on it."""
    try:
        get_package_prefix(VIEWER)
    except PackageNotFoundError:
        return [LogInfo(msg="RViz is not installed (package rviz2); the nodes run without it.")]
    layout = share_directory() / "rviz" / f"{robot.name}.rviz"
    if not layout.is_file():
        layout = None
    # The layouts show topics without a namespace.
    shown = [topic for topic in viewed_topics(robot) if namespace]
    shown += [TRANSFORMS] if namespace and use_sim else []  # a robot's own are on /tf
    return [
        Node(
            package=VIEWER,
            executable=VIEWER,
            exec_name=VIEWER,
            arguments=["-d", str(layout)] if layout else [],
            remappings=[(f"/{topic}", f"/{namespace}/{topic}") for topic in shown],
            additional_env=dict(settings),
            prefix=_die_with_launch(),
            on_exit=[LogInfo(msg="RViz ended; all nodes go on.")],
        )
    ]


def _die_with_launch() -> list:
    """A prefix that has the kernel end the process when launch is killed; and the user's own."""
    own = LaunchConfiguration("launch-prefix", default="")
    return ["setpriv --pdeathsig TERM ", own] if shutil.which("setpriv") else [own]
