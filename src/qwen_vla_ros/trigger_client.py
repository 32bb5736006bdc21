"""Clients of a person's requests: one after which the robot may move comes in time, or never.

What DDS sends reliably it sends again until the other side has it or, after 20 s, is given up. A
request that a wireless link held up engaged the robot when the link came back, long after the
person was told that nobody answers.
"""

from rclpy.client import Client
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_services_default
from std_srvs.srv import Trigger

MOVES = (
    "control/engage_policy",
    "control/engage_teleop",
    "control/go_to_start",
    "teleop/engage",
    "teleop/align",
    "teleop/hand_back",
)
"""After these the robot may move; all others are granted however late they come."""

IN_TIME_S = 2.0
"""After this time a request that has not arrived is sent no more, s; they take milliseconds."""

IN_TIME = QoSProfile(depth=10, lifespan=Duration(seconds=IN_TIME_S))
"""Otherwise as all services: reliable, volatile."""


def trigger_client(node: Node, name: str) -> Client:
    """A client of a std_srvs/Trigger service, by its name in the robot's namespace."""
    qos = IN_TIME if name in MOVES else qos_profile_services_default
    return node.create_client(Trigger, name, qos_profile=qos)
