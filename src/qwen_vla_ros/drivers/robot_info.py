"""What an Interbotix driver reports about its joints, polled while control_node is active.

One question per call, in turn: the group and each of its joints, since xs_sdk remembers the mode
of a group as it was last set for that group, and a joint's own mode may have been changed since,
alone or through another group. A driver that vanished or came back is asked again.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from interbotix_xs_msgs.srv import RobotInfo
from rclpy.node import Node
from rclpy.task import Future

from qwen_vla_core.embodiment.schema import Joint
from qwen_vla_core.safety import RobotLimits

GIVE_UP_S = 1.0
"""Time without an answer after which a question is asked again, s: a driver that died while it
answered never will."""

MUTE_S = 2.0
"""Time without any answer after which the driver's last answers no longer count, s."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """What to ask get_robot_info, and what the answer has to be.

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

    def problem(self, answer: RobotInfo.Response) -> str | None:
        """What differs from the embodiment, in words."""
        joints = {joint.driver_name: joint for joint in self.joints}
        if sorted(answer.joint_names) != sorted(joints):
            return f"has joints {tuple(answer.joint_names)}, the embodiment {tuple(joints)}"
        if answer.mode != self.mode:
            return (
                f"is in mode '{answer.mode}', the embodiment needs '{self.mode}'; "
                "set it with set_operating_modes while the arm rests"
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
        joint_names: the driver's order of the joints of the first question.
        limits: as base.Driver has it; what was said last, until a driver says something else.
    """

    def __init__(self, node: Node, namespace: str, questions: Sequence[Question]) -> None:
        self._node = node
        self._service = node.resolve_service_name(f"{namespace}/get_robot_info")
        self._client = node.create_client(RobotInfo, self._service)
        self._states_topic = node.resolve_topic_name(f"{namespace}/joint_states")
        self._questions = tuple(questions)
        self._driver_gids: frozenset[bytes] = frozenset()
        self._pending: dict[Question, tuple[Future, float]] = {}
        self._verdicts: dict[Question, str | None] = {}
        self._next = 0
        self._answered_s = 0.0
        self._warned_of_profile = False
        self.joint_names: tuple[str, ...] = ()
        self.limits: dict[str, RobotLimits] = {}
        self.problem: str | None = f"{self._service} has not answered; is the driver up?"

    @property
    def confirmed(self) -> bool:
        """Whether every question's last answer was right, however long ago, from this driver."""
        return all(q in self._verdicts and self._verdicts[q] is None for q in self._questions)

    def poll(self, now_s: float) -> None:
        """Take the answers that are there, ask what is due, and judge; never waits.

        Args:
            now_s: steady time, s.
        """
        if not self._client.service_is_ready():
            self._forget()
            self.problem = f"{self._service} has not answered; is the driver up?"
            return
        gids = self._find_driver()
        if gids != self._driver_gids:  # it restarted, perhaps with other modes
            self._driver_gids = gids
            self._forget()
        self._take_answers(now_s)
        self._ask(now_s)
        self.problem = self._judge(now_s)

    def _find_driver(self) -> frozenset[bytes]:
        """What tells one run of the driver from the next: its publisher of joint states."""
        publishers = self._node.get_publishers_info_by_topic(self._states_topic)
        return frozenset(bytes(publisher.endpoint_gid) for publisher in publishers)

    def _forget(self) -> None:
        for future, _ in self._pending.values():
            self._client.remove_pending_request(future)
        self._pending.clear()
        self._verdicts.clear()

    def _take_answers(self, now_s: float) -> None:
        for question, (future, asked_s) in list(self._pending.items()):
            if future.done():
                self._answered_s = now_s
                self._take(question, future.result())
            elif now_s - asked_s > GIVE_UP_S:
                self._client.remove_pending_request(future)
            else:
                continue
            del self._pending[question]

    def _take(self, question: Question, answer: RobotInfo.Response) -> None:
        if question is self._questions[0]:
            self.joint_names = tuple(answer.joint_names)
        difference = question.problem(answer)
        self.limits = self.limits | question.limits(answer)
        what = f"{self._service}: '{question.name}'"
        self._verdicts[question] = None if difference is None else f"{what} {difference}"
        if answer.profile_type == "time" and not self._warned_of_profile:
            self._warned_of_profile = True
            self._node.get_logger().warning(
                f"{what} moves by time profile; each command is stretched over it "
                "(see config/interbotix_modes/)"
            )

    def _ask(self, now_s: float) -> None:
        """Whatever was not answered yet; then one question after the other, over and over."""
        unknown = [q for q in self._questions if q not in self._verdicts]
        if not unknown and not self._pending:
            unknown = [self._questions[self._next % len(self._questions)]]
            self._next += 1
        for question in unknown:
            if question not in self._pending:
                request = RobotInfo.Request(cmd_type=question.cmd_type, name=question.name)
                self._pending[question] = self._client.call_async(request), now_s

    def _judge(self, now_s: float) -> str | None:
        differences = [self._verdicts[q] for q in self._questions if self._verdicts.get(q)]
        if differences:
            return differences[0]
        if not self.confirmed:
            return f"{self._service} has not answered; is the driver up?"
        mute_s = now_s - self._answered_s
        if mute_s > MUTE_S:
            return f"{self._service} has not answered for {mute_s:.1f} s; does it hang?"
        return None
