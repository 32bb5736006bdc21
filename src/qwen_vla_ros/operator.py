"""What a person does with the running system, as calls: tell a task, engage, hold, watch."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import rclpy
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.from_messages import seconds
from qwen_vla_core.images import MAX_BYTES
from qwen_vla_core.interrupts import interrupts_held_back

from .images import rgb_from_image
from .newest import Newest
from .qos import IMAGES, LATCHED, RELIABLE
from .trigger_client import trigger_client

ANSWER_TIMEOUT_S = 20.0
"""Services answer within milliseconds; on a machine that starts everything at once, in seconds."""
ASK_AGAIN_S = 3.0
"""A server that has not yet discovered where a client listens drops its answer after 0.1 s
(rmw_fastrtps: "client will not receive response"): asked again, it answers."""


GOALS = {
    Transition.TRANSITION_CONFIGURE: State.PRIMARY_STATE_INACTIVE,
    Transition.TRANSITION_ACTIVATE: State.PRIMARY_STATE_ACTIVE,
    Transition.TRANSITION_DEACTIVATE: State.PRIMARY_STATE_INACTIVE,
    Transition.TRANSITION_CLEANUP: State.PRIMARY_STATE_UNCONFIGURED,
}
"""Where each transition leads."""


class OperatorError(QwenVlaError):
    """The running system refused, or did not answer in time; the message says what and why."""


class Operator(Node):
    """Watches one robot and sends it requests. Single-threaded: time passes only in ``wait``.

    Attributes:
        mode: the newest text on control/mode.
        commands: (ROS time s, positions [D]) of every command since ``clear_commands``.
        velocities: [D] of each of them, rad/s and m/s; received_s: when it came, steady time, s.
        chunks_s: when each chunk came, system time, s.
        task_status: what the simulator reports about the task.
    """

    def __init__(self, embodiment: Embodiment, namespace: str = "") -> None:
        super().__init__("operator", namespace=namespace)
        self.mode, self._modes = "", 0
        self._images: dict[str, np.ndarray] = {}
        self.commands: list[tuple[float, np.ndarray]] = []
        self.velocities: list[np.ndarray] = []
        self.received_s: list[float] = []
        self.chunks_s: list[float] = []
        self.task_status: dict = {}
        self.diagnostics: dict[str, tuple[str, dict[str, str]]] = {}
        self._instruction = self.create_publisher(String, "policy/instruction", LATCHED)
        # Made when they are used: who publishes an emergency stop or a target counts.
        self._said: dict[str, Publisher] = {}
        self._service_clients = {}
        self._embodiment = embodiment
        self._subscribe()
        # Of its own: rclpy.spin_once adds the node to an executor and removes it, each time.
        self._spinner = SingleThreadedExecutor()
        self._spinner.add_node(self)

    def _subscribe(self) -> None:
        from diagnostic_msgs.msg import DiagnosticArray

        self.create_subscription(String, "control/mode", self._on_mode, LATCHED)
        self.create_subscription(JointState, "control/command", self._on_command, RELIABLE)
        self.create_subscription(JointTrajectory, "policy/chunk", self._on_chunk, RELIABLE)
        self.create_subscription(String, "sim_node/task_status", self._on_task_status, LATCHED)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, RELIABLE)
        self._views = [
            (camera, Newest(self, Image, camera.topic, IMAGES, MAX_BYTES))
            for camera in self._embodiment.cameras
        ]

    def destroy_node(self) -> None:
        self._spinner.shutdown()
        super().destroy_node()

    @property
    def images(self) -> dict[str, np.ndarray]:
        """Newest image of each camera, uint8 RGB [H, W, 3]; fetched when it is asked for."""
        for camera, view in self._views:
            if (message := view.take_message()) is not None:
                self._images[camera.name] = rgb_from_image(message, camera.topic)
        return dict(self._images)

    def instruct(self, instruction: str) -> None:
        """Tell the policy its task."""
        self._instruction.publish(String(data=instruction))

    def press_estop(self, pressed: bool) -> None:
        """Press or release the emergency stop on its topic."""
        self._say("estop", Bool(data=pressed), LATCHED)

    def take_over(self, positions_D: np.ndarray, velocities_D: np.ndarray | None = None) -> None:
        """A person's target: these positions and velocities, which are 0 where none are given."""
        message = JointState(name=list(self._embodiment.joint_names))
        message.position = np.asarray(positions_D, dtype=float).tolist()
        message.velocity = [0.0] * len(message.name)
        if velocities_D is not None:
            message.velocity = np.asarray(velocities_D, dtype=float).tolist()
        self._say("teleop/command", message, RELIABLE)

    def _say(self, topic: str, message: object, qos: QoSProfile) -> None:
        if topic not in self._said:
            self._said[topic] = self.create_publisher(type(message), topic, qos)
        self._said[topic].publish(message)

    def request(self, name: str) -> tuple[bool, str]:
        """Call a service of control_node: engage_policy, hold, estop, reset, ...

        Returns:
            Whether it was granted, and the reason.
        Raises:
            OperatorError: no answer.
        """
        self.wait(lambda: bool(self.mode), ASK_AGAIN_S)
        before = self._modes
        # Not after a change of mode, also one and back: what a person stopped meanwhile is not
        # engaged again.
        answer = self._call(
            Trigger,
            f"control/{name}",
            Trigger.Request(),
            again=lambda: 0 < before == self._modes,
        )
        return answer.success, answer.message

    def trigger(self, service: str) -> tuple[bool, str]:
        """Call a std_srvs/Trigger service; whether it was granted, and the reason.

        Raises:
            OperatorError: no answer.
        """
        answer = self._call(Trigger, service, Trigger.Request(), again=lambda: False)
        return answer.success, answer.message

    def insist(self, name: str, timeout_s: float) -> None:
        """Repeat a request until it is granted.

        Raises:
            OperatorError: it was not within ``timeout_s``; the message holds the last reason.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            granted, reason = self.request(name)
            if granted:
                return
            if time.monotonic() > deadline_s:
                raise OperatorError(f"{name} was refused for {timeout_s:g} s: {reason}")
            self.wait(lambda: False, 0.2)

    def set_active(self, node: str, active: bool) -> None:
        """Activate or deactivate a lifecycle node.

        Raises:
            OperatorError: it does not answer or does not change.
        """
        transitions = Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE
        self.change_state(node, transitions[active])

    def change_state(self, node: str, transition: int) -> None:
        """Have a lifecycle node make a transition, by its number in lifecycle_msgs.

        Raises:
            OperatorError: it does not answer or does not change.
        """
        request = ChangeState.Request(transition=Transition(id=transition))
        if self._call(ChangeState, f"{node}/change_state", request).success:
            return
        # It may have made the transition before, and only the answer was lost.
        found = self._call(GetState, f"{node}/get_state", GetState.Request()).current_state
        if found.id != GOALS.get(transition):
            raise OperatorError(f"{node} refused transition {transition}; it is {found.label}")

    def reset_simulation(self, seed: int, task: str = "", shift: str = "") -> str:
        """Have sim_node lay out the scene of ``seed``; returns the scene's own instruction.

        Args:
            seed: of the scene.
            task: name of the task; empty for the robot's usual one.
            shift: what is new in the scene; empty for nothing.
        Raises:
            OperatorError: it refuses or does not answer.
        """
        wanted = {"seed": seed, "task": task, "shift": shift or "in_distribution"}
        request = SetParameters.Request(
            parameters=[Parameter(name, value=v).to_parameter_msg() for name, v in wanted.items()]
        )
        for result in self._call(SetParameters, "sim_node/set_parameters", request).results:
            if not result.successful:
                raise OperatorError(f"sim_node refused {wanted}: {result.reason}")
        answer = self._call(Trigger, "sim_node/reset", Trigger.Request())
        if not answer.success:
            raise OperatorError(f"sim_node did not lay out a scene: {answer.message}")
        if not self.wait(lambda: self.task_status.get("seed") == seed, 5.0):
            raise OperatorError(f"sim_node did not report seed {seed} within 5 s")
        return answer.message

    def wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Let time pass until ``condition`` holds; False when it did not within ``timeout_s``."""
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            left_s = deadline_s - time.monotonic()
            if left_s <= 0.0:
                return False
            with interrupts_held_back():
                self._spinner.spin_once(timeout_sec=min(left_s, 0.05))
        return True

    def clear_commands(self) -> None:
        """Start a new record of commands and chunks."""
        self.commands, self.velocities, self.received_s, self.chunks_s = [], [], [], []

    def _call(self, service_type: type, name: str, request: object, again=lambda: True):
        if name not in self._service_clients:  # finding a service again each time takes long
            trigger = service_type is Trigger
            self._service_clients[name] = (
                trigger_client(self, name) if trigger else self.create_client(service_type, name)
            )
        client = self._service_clients[name]
        if not self.wait(client.service_is_ready, ANSWER_TIMEOUT_S):
            raise OperatorError(f"{client.srv_name}: no such service for {ANSWER_TIMEOUT_S:g} s")
        futures, deadline_s = [client.call_async(request)], time.monotonic() + ANSWER_TIMEOUT_S
        while not self.wait(lambda: any(future.done() for future in futures), ASK_AGAIN_S):
            if time.monotonic() > deadline_s:
                raise OperatorError(f"{client.srv_name}: no answer for {ANSWER_TIMEOUT_S:g} s")
            if again():
                futures.append(client.call_async(request))
        return next(future for future in futures if future.done()).result()

    def _on_mode(self, message: String) -> None:
        self.mode, self._modes = message.data, self._modes + 1

    def _on_command(self, message: JointState) -> None:
        self.commands.append((seconds(message.header.stamp), np.array(message.position)))
        self.velocities.append(np.array(message.velocity))
        self.received_s.append(time.monotonic())

    def _on_chunk(self, message: JointTrajectory) -> None:
        self.chunks_s.append(time.time())

    def _on_task_status(self, message: String) -> None:
        self.task_status = json.loads(message.data)

    def _on_diagnostics(self, message) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            self.diagnostics[status.name] = (status.message, values)


@contextmanager
def connected_operator(embodiment: Embodiment, namespace: str = "") -> Iterator[Operator]:
    """An operator of the robot in a namespace; its ROS context is its own, and both end here.

    Ctrl-C stays the caller's.
    """
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        operator = Operator(embodiment, namespace)
        try:
            yield operator
        finally:
            operator.destroy_node()
    finally:
        rclpy.try_shutdown()
