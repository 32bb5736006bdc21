"""ros2_control as it shows over ROS: a controller_manager and its controllers, without hardware.

What a controller makes of its commands is that of ros2_controllers (branches humble and jazzy of
joint_trajectory_controller.cpp, trajectory.cpp and forward_controllers_base.cpp), as far as
position commands go.
"""

import time

from action_msgs.msg import GoalStatus, GoalStatusArray
from controller_manager_msgs.msg import ControllerState
from controller_manager_msgs.srv import ListControllers
from rcl_interfaces.srv import GetParameters
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.task import Future
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, String
from trajectory_msgs.msg import JointTrajectory

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
UPDATE_HZ = 200
"""What the manager says; it updates at half of that here, which is enough to see what moves."""
STEP_S = 0.01
LAG_S = 0.03
"""How far behind its command the arm is."""

JTC_HUMBLE = {
    "allow_partial_joints_goal": False,
    "open_loop_control": True,
    "interpolation_method": "splines",
    "update_rate": 0,
}
"""Parameters of a joint_trajectory_controller, but for its joints."""
JTC_JAZZY = JTC_HUMBLE | {"open_loop_control": False, "interpolate_from_desired_state": True}
FORWARD = {"interface_name": "position", "update_rate": 0}


def seconds(duration):
    return duration.sec + duration.nanosec * 1e-9


class Trajectory:
    """What joint_trajectory_controller makes of the messages that it receives.

    Attributes:
        desired: name -> position that it commands.
        refused: why messages were dropped.
    """

    def __init__(self, positions, parameters, period_s=STEP_S):
        """Hold these positions; ``period_s`` is the time between updates."""
        self.desired, self.refused = dict(positions), []
        self._parameters, self._period_s = parameters, period_s
        self._humble = "interpolate_from_desired_state" not in parameters
        self._new, self._points = None, []
        self._before, self._start_s, self._last_s = (0.0, dict(positions)), 0.0, 0.0

    def receive(self, message):
        """Replace the trajectory with the next update, unless the message is refused."""
        reason = self._refusal(message)
        if reason:
            self.refused.append(reason)
        else:
            self._new = message

    def _refusal(self, message):
        names = list(message.joint_names)
        if not names or not message.points:
            return "empty"
        if unknown := set(names) - set(self.desired):
            return f"joints {unknown} are not the controller's"
        if len(names) != len(self.desired) and not self._parameters["allow_partial_joints_goal"]:
            return "joints on incoming trajectory don't match the controller joints"
        if not self._humble and any(message.points[-1].velocities):
            return "it does not end at rest"
        times = [seconds(point.time_from_start) for point in message.points]
        if any(later <= sooner for sooner, later in zip(times, times[1:], strict=False)):
            return "times do not increase"
        if any(len(point.positions) != len(names) for point in message.points):
            return "not a position for each joint"
        return None

    def update(self, now_s, measured):
        """One period of the controller: the positions that it commands now."""
        first = self._new is not None
        if first:
            # Joints that are not named hold what they were commanded last.
            self._points = [
                (
                    seconds(point.time_from_start),
                    self.desired | dict(zip(self._new.joint_names, point.positions, strict=True)),
                )
                for point in self._new.points
            ]
            self._new = None
            from_desired = self._parameters["open_loop_control"] or self._parameters.get(
                "interpolate_from_desired_state"
            )
            begins_at, since_s = measured, now_s
            if from_desired:
                begins_at, since_s = self.desired, now_s if self._humble else self._last_s
            self._before = (since_s, {name: begins_at[name] for name in self.desired})
            self._start_s = now_s
        self._last_s = now_s
        # Jazzy commands what is due in the next period, Humble what is due now.
        self.desired = self._sample(now_s if self._humble else now_s + self._period_s)
        return self.desired

    def _sample(self, at_s):
        previous_s, previous = self._before
        for from_start_s, point in self._points:
            point_s = self._start_s + from_start_s
            if at_s < point_s:
                share = max(at_s - previous_s, 0.0) / (point_s - previous_s)
                return {
                    name: start + share * (point[name] - start) for name, start in previous.items()
                }
            previous_s, previous = point_s, point
        return dict(previous)  # it has ended, and is held


class Forward:
    """What forward_command_controller makes of them: the values, in the order of its joints."""

    def __init__(self, positions, parameters):
        self.desired, self.refused = dict(positions), []

    def receive(self, message):
        """Take the values, if there is one for each joint."""
        if len(message.data) != len(self.desired):
            self.refused.append("command size does not match number of interfaces")
        else:
            self.desired = dict(zip(self.desired, message.data, strict=True))

    def update(self, now_s, measured):
        """One period of the controller: the positions that it commands now."""
        return self.desired


class FakeController(Node):
    """One controller's node. Its faults are attributes to be set.

    Attributes:
        joints: in its own order; ``parameters``: those that it declares.
        drives: its joints in the order of the interfaces in use.
        state, chained: what the manager says of it.
        received: the messages that it received.
        silent: whether questions for its parameters are taken and never answered.
    """

    def __init__(self, name, positions, parameters, joints, *, context=None, namespace=""):
        super().__init__(
            name, namespace=namespace, context=context, start_parameter_services=False
        )
        self.parameters = {"joints": list(joints)} | parameters
        self.joints, self.drives = list(joints), list(joints)
        self.state, self.chained, self.silent = "active", False, False
        self.received = []
        mine = {joint: positions[joint] for joint in joints}
        trajectories = "interpolation_method" in parameters
        self.law = (Trajectory if trajectories else Forward)(mine, parameters)
        kind, topic = (
            (JointTrajectory, "~/joint_trajectory")
            if trajectories
            else (Float64MultiArray, "~/commands")
        )
        self.create_subscription(kind, topic, self._on_command, 10)
        # A question without an answer must not keep the node from everything else.
        self.create_service(
            GetParameters,
            "~/get_parameters",
            self._answer,
            callback_group=ReentrantCallbackGroup(),
        )
        self._goals = self.create_publisher(
            GoalStatusArray, "~/follow_joint_trajectory/_action/status", LATCHED
        )

    def execute_goal(self, status):
        """Say in which state a goal of the action is."""
        goal = GoalStatus(status=status)
        self._goals.publish(GoalStatusArray(status_list=[goal]))

    def _on_command(self, message):
        self.received.append(message)
        if self.state == "active" and not self.chained:
            self.law.receive(message)

    async def _answer(self, request, response):
        if self.silent:
            await Future()  # which nobody completes
        # Of several names none is answered where one is not declared.
        if all(name in self.parameters for name in request.names):
            response.values = [
                Parameter(name, value=self.parameters[name]).get_parameter_value()
                for name in request.names
            ]
        return response


class FakeRos2Control(Node):
    """The controller_manager and its hardware; the controllers are nodes of their own.

    Attributes:
        positions: where the joints are. nodes: all there are, to be spun.
        commands: (steady time s, name -> position) written to the hardware in each update.
        controllers: name -> controller.
    """

    def __init__(self, positions, *, context=None, update_hz=UPDATE_HZ):
        super().__init__("controller_manager", context=context)
        self.declare_parameter("update_rate", update_hz)
        self.positions, self.commands, self.controllers = dict(positions), [], {}
        self.alive, self.nodes = True, [self]
        self._context = context
        self._states = self.create_publisher(JointState, "joint_states", 10)
        self._description = self.create_publisher(String, "robot_description", LATCHED)
        self.create_service(ListControllers, "~/list_controllers", self._list)
        self.create_timer(STEP_S, self._update)

    def load(self, name, parameters, joints=None):
        """Start a controller; of that name the old one ends."""
        controller = FakeController(
            name, self.positions, parameters, joints or list(self.positions), context=self._context
        )
        self.controllers[name] = controller
        self.nodes.append(controller)
        return controller

    def unload(self, name):
        """End a controller."""
        controller = self.controllers.pop(name)
        self.nodes.remove(controller)
        controller.destroy_node()

    def describe(self, limits):
        """Publish a description with the limits (lower, upper, velocity) of some joints."""
        joints = "".join(
            f'<joint name="{name}" type="revolute"><limit lower="{lower}" upper="{upper}" '
            f'velocity="{velocity}" effort="1"/></joint>'
            for name, (lower, upper, velocity) in limits.items()
        )
        self.publish_description(f'<robot name="arm">{joints}</robot>')

    def publish_description(self, text):
        """Publish anything as the description."""
        self._description.publish(String(data=text))

    def _update(self):
        now_s = time.monotonic()
        commanded = {}
        for controller in self.controllers.values():
            if controller.state == "active":
                desired = controller.law.update(now_s, self.positions)
                values = list(desired.values())
                commanded |= dict(zip(controller.drives, values, strict=True))
        share = STEP_S / LAG_S
        for name, position in commanded.items():
            self.positions[name] += share * (position - self.positions[name])
        if commanded:
            self.commands.append((now_s, commanded))
        if self.alive:
            message = JointState(name=list(self.positions), position=list(self.positions.values()))
            message.header.stamp = self.get_clock().now().to_msg()
            self._states.publish(message)

    def _list(self, request, response):
        for name, controller in self.controllers.items():
            interfaces = [f"{joint}/position" for joint in controller.drives]
            response.controller.append(
                ControllerState(
                    name=name,
                    state=controller.state,
                    is_chained=controller.chained,
                    required_command_interfaces=interfaces,
                )
            )
        return response
