"""What policy_node receives of a WidowX, over real topics, and a policy in the network's place."""

import time
from array import array
from collections.abc import Callable
from contextlib import contextmanager

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_ros import diagnostics
from qwen_vla_ros.nodes import policy_parameters
from qwen_vla_ros.nodes.policy_node import PolicyNode
from qwen_vla_ros.qos import LATCHED
from robots import WIDOWX

FRAME_S = 0.05
JOINTS = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate")
READY = (0.0, -0.1, 0.25, 0.0, 1.42, 0.0, 0.03)
SUCCESS = TransitionCallbackReturn.SUCCESS


class ScriptedPolicy:
    """Answers at once that the robot should stand still, or does what ``behave`` does.

    Attributes:
        asked: observations so far.
        behave: called with each before the answer; may raise or wait.
        how_done: how likely the task is done, as it says.
    """

    slow_reason, how_done = "", 0.2

    def __init__(self, behave: Callable = lambda observation: None):
        self.asked, self.behave = [], behave
        self._codec = EmbodimentCodec(load_embodiment(WIDOWX))

    def warm_up(self):
        return 0.01

    def on_mode(self, mode):
        pass

    def close(self):
        pass

    def diagnostics(self):
        return {"path": "eager", "eager_fallbacks": 0, "why_eager": ""}

    def done(self, observation):
        return self.how_done

    def answer(self, observation):
        return f"I see {len(observation.images)} images"

    def plan(self, observation, prefix=None):
        self.asked.append(observation)
        self.behave(observation)
        return self._codec.decode(np.zeros((16, 7)), observation.commanded_D, observation.stamp_s)


class Robot(Node):
    """Publishes a WidowX's cameras, joint states and commands, and remembers what the policy says.

    Attributes:
        silent: topics that are not published.
        encoding: of the images over the shoulder, which show their own number.
        taken_s: ROS time of each image.
        chunks: stamps of what came on policy/chunk, s. plan: the positions of the last one.
        level, problem, values: of policy_node's last diagnostics.
    """

    SHOULDER = ("blue/image_raw", Image)

    def __init__(self):
        super().__init__("robot")
        self.number, self.taken_s, self.chunks, self.plan = 0, [], [], None
        self.silent, self.encoding = set(), "rgb8"
        self.level, self.problem, self.values = None, "", {}
        self._publishers_of = {
            topic: self.create_publisher(kind, topic, 10)
            for topic, kind in (
                self.SHOULDER,
                ("wrist/image_raw", Image),
                ("wx250s/joint_states", JointState),
                ("control/command", JointState),
            )
        }
        self._mode = self.create_publisher(String, "control/mode", LATCHED)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self.create_subscription(JointTrajectory, "policy/chunk", self._on_chunk, 10)
        self.create_timer(FRAME_S, self._publish)

    def enter(self, mode):
        self._mode.publish(String(data=f"{mode}: test"))

    def stamp(self):
        return self.get_clock().now().to_msg()

    def shoulder_image(self):
        image = Image(height=2, width=2, encoding=self.encoding, step=6)
        image.data = array("B", [self.number % 256] * 12)
        return image

    def wrist_image(self):
        image = Image(height=2, width=2, encoding="rgb8", step=6)
        image.data = array("B", [self.number % 256] * 12)
        return image

    def _publish(self):
        joints = JointState(name=[*JOINTS, "left_finger"], position=READY)
        stamp = self.stamp()
        messages = (self.shoulder_image(), self.wrist_image(), joints, joints)
        for (topic, publisher), message in zip(self._publishers_of.items(), messages, strict=True):
            message.header.stamp = stamp
            if topic not in self.silent:
                publisher.publish(message)
        self.number += 1
        self.taken_s.append(stamp.sec + stamp.nanosec * 1e-9)

    def _on_diagnostics(self, message):
        for status in message.status:
            if status.name == "/policy_node":
                self.level, self.problem = status.level, status.message
                self.values = {pair.key: pair.value for pair in status.values}

    def _on_chunk(self, message):
        stamp = message.header.stamp
        self.chunks.append(stamp.sec + stamp.nanosec * 1e-9)
        self.plan = np.array([point.positions for point in message.points])


class PolicyAtWork:
    """policy_node beside a robot, in one process, spun until something is so."""

    def __init__(self, node, robot):
        self.node, self.robot = node, robot
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(node), self.executor.add_node(robot)

    def until(self, condition, limit_s=30.0):
        end_s = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < end_s, self.robot.problem
            self.executor.spin_once(timeout_sec=0.1)

    def until_reported(self, *words, level=diagnostics.ERROR):
        robot = self.robot
        self.until(lambda: robot.level == level and all(w in robot.problem for w in words))

    def call(self, kind, name, request):
        client = self.robot.create_client(kind, name)
        self.until(client.service_is_ready)
        future = client.call_async(request)
        self.until(future.done)
        return future.result()


@contextmanager
def policy_at_work(domain, monkeypatch, policy, robot_class=Robot, **parameters):
    """An active policy_node with ``policy``, or what its parameters name, and a robot."""
    if policy is not None:  # in the place of the function: torch is not imported
        monkeypatch.setattr(policy_parameters, "load_policy", lambda *asked, **more: policy)
    parameters = {"embodiment": "widowx", "simulated": "true"} | parameters
    arguments = [part for key, value in parameters.items() for part in ("-p", f"{key}:={value}")]
    rclpy.init(args=["--ros-args", *arguments], domain_id=domain)
    node = robot = None
    try:
        node, robot = PolicyNode(), robot_class()
        assert node.trigger_configure() == SUCCESS
        assert node.trigger_activate() == SUCCESS
        yield PolicyAtWork(node, robot)
        node.stop(), node.trigger_cleanup()
    finally:
        for made in filter(None, (node, robot)):
            made.destroy_node()
        rclpy.try_shutdown()
