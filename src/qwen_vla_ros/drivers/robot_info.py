"""What an Interbotix driver says about its joints: names, operating mode, limits.

The group is asked for and each of its joints, since xs_sdk remembers the mode of a group as it was
last set for that group, and a joint's own mode may have been changed since, alone or through
another group.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from interbotix_xs_msgs.srv import RobotInfo
from rclpy.node import Node

from qwen_vla_core.embodiment.schema import Joint
from qwen_vla_core.safety import RobotLimits

from .polled_service import PolledService

AT_ONCE = 3
"""A whole round of a group and six joints within 0.6 s, a few milliseconds at a time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ExpectedInfo:
    """What to request of get_robot_info, and what the answer has to be.

    Attributes:
        cmd_type, name: of the request: 'group' or 'single', and which.
        mode: operating mode that the embodiment needs.
        joints: of the embodiment, by the driver's names for them.
        limited: whether the driver's limits are those of our joints.
    """

    cmd_type: str
    name: str
    mode: str
    joints: Sequence[Joint]
    limited: bool = True

    def difference(self, answer: RobotInfo.Response) -> str | None:
        """What differs from the embodiment, in words that follow the name."""
        joints = {joint.driver_name: joint for joint in self.joints}
        if sorted(answer.joint_names) != sorted(joints):
            return f"has joints {tuple(answer.joint_names)}, the embodiment {tuple(joints)}"
        if answer.mode != self.mode:
            return (
                f"is in mode '{answer.mode}', the embodiment needs '{self.mode}'; "
                "set it with set_operating_modes while the arm is supported"
            )
        return None

    def limits(self, answer: RobotInfo.Response) -> dict[str, RobotLimits]:
        """Joint, by our name -> what the driver says; without a robot_description nothing."""
        ours = {joint.driver_name: joint.name for joint in self.joints}
        return {
            ours[name]: RobotLimits(
                lower=_at(answer.joint_lower_limits, row, -math.inf),
                upper=_at(answer.joint_upper_limits, row, math.inf),
                velocity=_at(answer.joint_velocity_limits, row, math.inf),
            )
            for row, name in enumerate(answer.joint_names)
            if self.limited and name in ours
        }


def _at(values: Sequence[float], row: int, default: float) -> float:
    return values[row] if row < len(values) else default


class RobotInfoWatch:
    """Goes on asking one driver, and says what differs from the embodiment.

    Attributes:
        problem: what differs, or that the driver is not there; None while all answers are right.
        joint_names: the driver's order of the joints of the first one that is expected.
        profile_type: of that one, 'time' or 'velocity'.
        limits: as base.Driver has it; what was said last, until a driver says something else.
    """

    def __init__(self, node: Node, namespace: str, expected: Sequence[ExpectedInfo]) -> None:
        self._expected = {(info.cmd_type, info.name): info for info in expected}
        self._first = next(iter(self._expected))
        requests = {key: RobotInfo.Request(cmd_type=key[0], name=key[1]) for key in self._expected}
        self._service = PolledService(
            node, RobotInfo, f"{namespace}/get_robot_info", requests, at_once=AT_ONCE
        )
        self.joint_names: tuple[str, ...] = ()
        self.profile_type = ""
        self.limits: dict[str, RobotLimits] = {}
        self.problem: str | None = self._service.problem

    @property
    def confirmed(self) -> bool:
        """Whether every last answer was right, however long ago, from this driver."""
        answers = self._service.answers
        return answers.keys() == self._expected.keys() and not self._differences()

    def poll(self, now_s: float) -> None:
        """Take the answers that are there, ask what is due, and judge; never waits."""
        self._service.poll(now_s)
        if self._first in self._service.answers:
            answer = self._service.answers[self._first]
            self.joint_names = tuple(answer.joint_names)
            self.profile_type = answer.profile_type
        for key, answer in self._service.answers.items():
            self.limits |= self._expected[key].limits(answer)
        differences = self._differences()
        self.problem = differences[0] if differences else self._service.problem

    def forget(self) -> None:
        """The driver was started again, perhaps with other modes."""
        self._service.forget()

    def _differences(self) -> list[str]:
        differences = {
            info.name: info.difference(self._service.answers[key])
            for key, info in self._expected.items()
            if key in self._service.answers
        }
        return [
            f"{self._service.name}: '{name}' {difference}"
            for name, difference in differences.items()
            if difference
        ]
