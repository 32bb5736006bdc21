"""What control_node receives: checked, and handed to the control loop.

Every topic is received from publishers of any quality of service, and measured before it is looked
at. What is refused is named; what is published as another type is a problem that forbids engaging.
"""

import time
from collections.abc import Callable, Sequence

from builtin_interfaces.msg import Time
from nav_msgs.msg import Odometry
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.streams import JointStream, joint_streams
from qwen_vla_core.errors import ChunkError, QwenVlaError
from qwen_vla_core.execution import ChunkVerdict, ControlLoop
from qwen_vla_core.execution.control_loop import ESTOP_OF_BASE
from qwen_vla_core.from_messages import NOT_OURS, chunk_from_message, seconds
from qwen_vla_core.modes import Mode
from qwen_vla_core.observation import match_joints

from .. import bounded
from ..estop_topic import EstopTopic
from ..every_publisher import subscribe_to_stream
from ..graph import publishers_of, rivals, type_problem
from ..messages import check_odometry, estop_in, teleop_from_message
from ..stream_meter import StreamMeter
from .lifecycle import EmbodimentNode

CHUNK = "policy/chunk"


class ControlInputs:
    """The subscriptions of one control node.

    Attributes:
        problems: what is wrong with the topics, in words; forbids engaging.
        missing_stops: the emergency stops among them that nobody publishes; they hold as well.
        policy_problems: the same of the policy's; ends autonomy as well.
        meter: rate and age of every stream.
    """

    def __init__(
        self,
        node: EmbodimentNode,
        embodiment: Embodiment,
        loop: ControlLoop,
        *,
        estop_topics: Sequence[str],
        needed_stops: Sequence[str],
        react: Callable[[], None],
        refuse: Callable[[str, str], None],
    ) -> None:
        """Subscribe.

        Args:
            node: the node to do it with.
            embodiment: the robot. loop: what everything is handed to.
            estop_topics: one for each source of an emergency stop; needed_stops: those of them
                that somebody must publish.
            react: called after anything that may have changed the mode.
            refuse: gets the name of a counter and a reason for what was refused.
        """
        self._node, self._embodiment, self._loop = node, embodiment, loop
        self._react, self._refuse = react, refuse
        self.problems: list[str] = []
        self.missing_stops: list[str] = []
        self.policy_problems: list[str] = []
        self._types: dict[str, type] = {}
        self._stamps: dict[str, Time] = {}
        self.meter = StreamMeter(time.monotonic())
        for stream in joint_streams(embodiment):
            receive = self._on_joint_states(stream)
            self._subscribe(JointState, stream.topic, bounded.JOINTS_BYTES, receive)
        if embodiment.base is not None:
            topic = embodiment.base.driver.odometry_topic
            self._subscribe(Odometry, topic, bounded.ODOMETRY_BYTES, self._on_odometry)
        largest = bounded.chunk_bytes(embodiment)
        self._subscribe(JointTrajectory, CHUNK, largest, self._on_chunk)
        self._subscribe(JointState, "teleop/command", bounded.JOINTS_BYTES, self._on_teleop)
        self._estops = [
            EstopTopic(
                node, topic, self._on_estop(topic), self._estop_refused, topic in needed_stops
            )
            for topic in estop_topics
        ]

    def check_graph(self) -> None:
        """Bring ``problems`` up to date: who publishes what, as which type."""
        problems = [estop.check_publishers() for estop in self._estops]
        for topic, message_type in self._types.items():
            problems.append(type_problem(topic, publishers_of(self._node, topic), message_type))
        self.missing_stops = [estop.missing for estop in self._estops if estop.missing]
        self.problems = [*self.missing_stops, *filter(None, problems)]
        policies = rivals(self._node, CHUNK)
        several = f"{CHUNK} is published by {' and '.join(policies)}: stop all but one"
        self.policy_problems = [several] if len(policies) > 1 else []

    def _subscribe(self, message_type: type, topic: str, largest: int, callback: Callable) -> None:
        counter = f"{topic.rpartition('/')[2]}_refused"
        read = bounded.bounded(
            message_type, largest, callback, lambda why: self._refuse(counter, f"{topic}: {why}")
        )

        def receive(data: bytes) -> None:
            self.meter.count(topic, time.monotonic())
            read(data)

        subscribe_to_stream(self._node, message_type, topic, receive, raw=True)
        self._types[topic] = message_type
        self.meter.add(topic)

    def _on_joint_states(self, stream: JointStream) -> Callable[[JointState], None]:
        wanted = set(stream.driver_names)

        def receive(message: JointState) -> None:
            if wanted.isdisjoint(message.name):  # another publisher's: the wheels', a gripper's
                if any(
                    stream.topic in silent for silent in self._loop.inputs.silent(time.monotonic())
                ):
                    self._refuse("joint_states_refused", f"{stream.topic}: {NOT_OURS}")
                return
            try:
                positions = match_joints(message.name, message.position, stream.driver_names)
            except QwenVlaError as error:
                self._refuse("joint_states_refused", f"{stream.topic}: {error}")
                return
            if self._repeats("joint_states_repeated", stream.topic, message.header.stamp):
                return
            refusal = self._loop.inputs.on_joints(positions, time.monotonic(), stream.topic)
            if refusal:
                self._refuse("joint_states_impossible", refusal)

        return receive

    def _on_odometry(self, message: Odometry) -> None:
        driver = self._embodiment.base.driver
        pressed = driver.estop_in_covariance and estop_in(message)
        if pressed:  # whatever else is wrong with the message
            self._loop.on_estop(True, self._node.now_s(), ESTOP_OF_BASE)
            self._react()
        try:
            check_odometry(message, driver.estop_in_covariance)
        except QwenVlaError as error:
            self._refuse("odometry_refused", f"{driver.odometry_topic}: {error}")
            return
        if not pressed:
            self._loop.on_estop(False, self._node.now_s(), ESTOP_OF_BASE)
        if self._repeats("odometry_repeated", driver.odometry_topic, message.header.stamp):
            return
        self._loop.inputs.on_odometry(time.monotonic())

    def _repeats(self, counter: str, topic: str, stamp: Time) -> bool:
        """Whether a message is the one before once more: a relay of a driver that is silent."""
        before, self._stamps[topic] = self._stamps.get(topic), stamp
        if stamp != before or stamp == Time():  # without stamps nobody can tell
            return False
        self._refuse(counter, f"{topic}: its stamp does not rise; is its driver silent?")
        return True

    def _on_chunk(self, message: JointTrajectory) -> None:
        if not self._node.active:
            return
        try:
            chunk = chunk_from_message(message, self._embodiment.joint_names)
        except ChunkError as error:
            self._refuse("chunks_malformed", str(error))
            return
        offer = self._loop.on_chunk(chunk, self._node.now_s(), time.monotonic())
        # A few chunks from before a mode come at every change of it.
        if offer.verdict not in (ChunkVerdict.ACCEPTED, ChunkVerdict.BEFORE_MODE):
            far = offer.verdict is ChunkVerdict.JUMP
            hint = "; control/go_to_start moves the robot to its start pose" if far else ""
            self._refuse(f"chunks_{offer.verdict.value.replace(' ', '_')}", offer.reason + hint)

    def _on_teleop(self, message: JointState) -> None:
        try:
            target = teleop_from_message(message, self._embodiment)
        except QwenVlaError as error:
            self._refuse("teleop_refused", f"teleop/command: {error}")
            return
        now_s = self._node.now_s()
        late = self.meter.stamp("teleop/command", seconds(message.header.stamp), now_s)
        if late and self._loop.state.mode is Mode.TELEOP:  # a takeover counts however late
            self._refuse("teleop_late", "; ".join(self.meter.late))
            return
        self._loop.on_teleop(target, self._node.now_s(), time.monotonic())
        self._react()

    def _on_estop(self, topic: str) -> Callable[[bool, str], None]:
        def receive(pressed: bool, source: str) -> None:
            self._loop.inputs.on_estop_heartbeat(topic, time.monotonic())
            self._loop.on_estop(pressed, self._node.now_s(), source)
            self._react()

        return receive

    def _estop_refused(self, reason: str) -> None:
        self._refuse("estop_refused", reason)
