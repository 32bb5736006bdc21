"""What the drivers of ros2_control's controllers share.

A controller is a node of its own, in the process of its controller_manager: it has parameters,
subscribes to its commands, and says nothing about whether it is active. That, its rate and which
interfaces it really drives are asked of the controller_manager; which joints it has, of itself.
"""

import time
from collections.abc import Mapping, Sequence

from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.srv import GetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy

from qwen_vla_core.embodiment import Embodiment, Group
from qwen_vla_core.safety import RobotLimits

from ..graph import node_of, rival_problem, type_name
from .polled_service import PolledService
from .robot_description import DescribedLimits

try:
    from controller_manager_msgs.srv import ListControllers
except ImportError:  # no ros2_control on this computer, and set-up did not build the messages
    ListControllers = None

NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
"""If the network held commands up, only the last one is of use."""

UPDATE_RATE = "update_rate"
RATE_PAUSE_S = 1.0
"""A controller_manager keeps the rate that it was started with."""

UNCHECKED_STATE = (
    "whether the controller is active is not checked, because controller_manager_msgs is not "
    "installed; install ros-$ROS_DISTRO-controller-manager-msgs"
)


class ControllerDriver:
    """Nothing is sent unless the controller is active, as described, and nobody else commands it.

    Attributes:
        problem, warning, limits: as base.Driver has them.
        updates: how many times the controller has to run in one period of ``command_hz``.
    """

    updates: float = 1.0

    def __init__(
        self,
        node: Node,
        group: Group,
        embodiment: Embodiment,
        *,
        topic: str,
        message_type: type,
        parameters: Sequence[str],
    ) -> None:
        """Connect; nothing is sent.

        Args:
            node, group, embodiment: what the driver is made of.
            topic: of the controller's commands, below its name. message_type: of that topic.
            parameters: of the controller, beside ``joints``, that ``compare`` judges.
        """
        spec = group.driver
        self._node, self._command_hz = node, embodiment.command_hz
        self._controller = node.resolve_topic_name(spec.controller)
        self._names = [joint.driver_name for joint in group.joints]
        self._publisher = node.create_publisher(message_type, f"{spec.controller}/{topic}", NEWEST)
        self._type = type_name(message_type)
        self._parameters = PolledService(
            node,
            GetParameters,
            f"{spec.controller}/get_parameters",
            # One name a request: where one of several is not declared, none is answered.
            {name: _get(name) for name in ("joints", UPDATE_RATE, *parameters)},
            at_once=2,
        )
        self._manager = PolledService(
            node,
            GetParameters,
            f"{spec.controller_manager}/get_parameters",
            {UPDATE_RATE: _get(UPDATE_RATE)},
            pause_s=RATE_PAUSE_S,
        )
        self._services = [self._parameters, self._manager]
        self._controllers = None
        if ListControllers is not None:
            service = f"{spec.controller_manager}/list_controllers"
            self._controllers = PolledService(
                node, ListControllers, service, {"": ListControllers.Request()}
            )
            self._services.append(self._controllers)
        self._description = DescribedLimits(node, spec.robot_description_topic, group.joints)
        self._gids: frozenset[bytes] = frozenset()
        self.problem: str | None = self._nobody
        self.warning: str | None = None

    def verify(self) -> None:
        """Ask the controller and its manager, and look who else is there."""
        now_s = time.monotonic()
        self._find_controller()
        for service in self._services:
            service.poll(now_s)
        unchecked = f"{self._controller}: {UNCHECKED_STATE}" if not self._controllers else None
        self.warning = self._description.warning or unchecked
        self.problem = self._find_problem()

    @property
    def limits(self) -> Mapping[str, RobotLimits]:
        """What the robot's description says of the joints."""
        return self._description.limits

    def stop(self) -> None:
        """Nothing to send: the controller holds the last position."""

    def compare(
        self, joints: Sequence[str], values: Mapping[str, object], interfaces: Sequence[str] | None
    ) -> str | None:
        """What of the controller does not fit the group, in words that follow its name.

        Args:
            joints: the controller's; those of the group are among them.
            values: of the parameters that were asked for; None for one that is not declared.
            interfaces: what it drives, such as ``elbow/position``, in its order; None if not
                known.
        """
        raise NotImplementedError

    def forget(self) -> None:
        """Drop what was learned of a controller that is no longer there."""

    def _publish(self, message: object) -> None:
        """Send a command to the controller that was verified, and to no later one.

        One that was started or configured again may have its joints in another order.
        """
        if self._find_controller():
            self._publisher.publish(message)
        else:
            self.problem = f"{self._controller} was started again, or ended; it is being verified"

    @property
    def _nobody(self) -> str:
        return f"{self._publisher.topic_name}: {self._controller} does not subscribe; is it up?"

    def _find_controller(self) -> bool:
        """Whether whoever runs under the controller's name is the same as before.

        A new one has to answer everything anew. One that was killed stays in the graph for a
        while; that it leaves means nothing.
        """
        infos = self._node.get_subscriptions_info_by_topic(self._publisher.topic_name)
        gids = frozenset(
            bytes(info.endpoint_gid)
            for info in infos
            if node_of(info) == self._controller and info.topic_type == self._type
        )
        same = bool(gids) and gids <= self._gids
        if not same:
            for service in self._services:
                service.forget()
            if self._gids:
                self.forget()
        self._gids = gids
        return same

    def _find_problem(self) -> str | None:
        if not self._gids:
            return self._nobody
        if len(self._gids) > 1:
            return (
                f"{self._publisher.topic_name}: {len(self._gids)} controllers are called "
                f"{self._controller} and follow it; end all but one: a simulation must not run "
                "beside the robot (one that was killed is still found for 20 s)"
            )
        return (
            next((service.problem for service in self._services if service.problem), None)
            or self._state_problem()
            or self._difference()
            or self._rate_problem()
            or rival_problem(
                self._node,
                self._publisher.topic_name,
                "stop it; two programs must not command one controller",
            )
        )

    def _state_problem(self) -> str | None:
        if self._controllers is None:
            return None
        name = self._controller.rpartition("/")[2]
        states = self._states()
        what = f"{self._controllers.name}: controller '{name}'"
        if name not in states:
            return f"{what} is not loaded; there are {', '.join(states) or 'none'}"
        if states[name].state != "active":
            return (
                f"{what} is {states[name].state}; activate it: "
                f"ros2 control set_controller_state {name} active"
            )
        if states[name].is_chained:
            return f"{what} takes its commands from another controller and not from its topic"
        return None

    def _rate_problem(self) -> str | None:
        # The controller's own, where it has one; 0 means the manager's.
        own, managers = (
            _value(service.answers[UPDATE_RATE]) for service in (self._parameters, self._manager)
        )
        rate_hz, needed_hz = own or managers, self.updates * self._command_hz
        if isinstance(rate_hz, int) and rate_hz < needed_hz:
            return (
                f"{self._controller}: update_rate is {rate_hz} Hz; commands at "
                f"{self._command_hz:g} Hz need {needed_hz:g} Hz: raise it, or lower command_hz"
            )
        return None

    def _difference(self) -> str | None:
        values = {name: _value(answer) for name, answer in self._parameters.answers.items()}
        joints = values.pop("joints")
        if not joints:
            difference = "has no parameter 'joints'; is it a controller of another type?"
        elif missing := [name for name in self._names if name not in joints]:
            difference = f"has joints {', '.join(joints)}, but not {', '.join(missing)}"
        else:
            interfaces = None
            if self._controllers is not None:
                name = self._controller.rpartition("/")[2]
                interfaces = list(self._states()[name].required_command_interfaces)
            difference = self.compare(joints, values, interfaces)
        return difference and f"{self._controller} {difference}"

    def _states(self) -> dict[str, object]:
        return {state.name: state for state in self._controllers.answers[""].controller}


def _get(name: str) -> GetParameters.Request:
    return GetParameters.Request(names=[name])


def _value(answer: GetParameters.Response) -> object:
    """The value of the one parameter that was asked for; None where it is not declared."""
    if not answer.values:
        return None
    return Parameter.from_parameter_msg(ParameterMessage(value=answer.values[0])).value
