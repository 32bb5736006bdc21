"""Arms and grippers under ros2_control, commanded through one of its controllers."""

from typing import ClassVar, Literal

from ....yaml_file import WrongKey
from ..values import Topic
from ..watchdogs import Watchdogs
from .base import DriverDescription

TRAJECTORY_PERIODS = 1.25
"""How long a trajectory is that carries one command, in periods of ``command_hz``: a command that
is late by less than a quarter of a period does not make the arm pause. It is what BridgeData
stretches a motion of the WidowX to (bridge_data_robot, set_moving_time)."""


class _Ros2Control(DriverDescription):
    carries: ClassVar = frozenset({"joint_position", "ee_delta", "gripper"})
    frame_prefix: ClassVar = ""
    controller: Topic
    """The controller's name, below its namespace if it has one. It carries this group alone."""
    controller_manager: Topic = "controller_manager"
    joint_states_topic: Topic = "joint_states"
    """Of the joint_state_broadcaster."""

    @property
    def robot_description_topic(self) -> str:
        """Beside the joint states, where robot_state_publisher has it."""
        namespace, slash, _ = self.joint_states_topic.rpartition("/")
        return f"{namespace}{slash}robot_description"

    @property
    def occupies(self) -> dict[str, str]:
        # Each message names all that its controller is to do next.
        return {self.controller: f"controller {self.controller}"}


class JointTrajectoryController(_Ros2Control):
    """Joints carried by a joint_trajectory_controller, or one that is used like it.

    Each command is a trajectory of one point, so short that it ends before anybody would notice
    that no further one comes.
    """

    type: Literal["joint_trajectory_controller"]

    def check_rate(self, command_hz: float, watchdogs: Watchdogs) -> None:
        """Raises WrongKey where a trajectory would outlive the watchdog of the joint states."""
        longest_s = TRAJECTORY_PERIODS / command_hz
        if longest_s > watchdogs.joint_states_s:
            raise WrongKey(
                "command_hz",
                f"{command_hz:g} is too low for a joint_trajectory_controller: its trajectories "
                f"of {longest_s:g} s would outlive watchdogs.joint_states_s, "
                f"{watchdogs.joint_states_s:g} s",
            )


class ForwardCommand(_Ros2Control):
    """Joints carried by a forward_command_controller of positions."""

    type: Literal["forward_command"]
