"""A node that says on standard output when it is ready, when it has discovered the clients of two
services, and each request that reaches it."""

from contextlib import suppress

import rclpy
from rclpy.node import NodeNameNonExistentError
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from qwen_vla_ros.transport import leave_shared_memory

BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
CLIENT = "person"
NAMES = ("control/hold", "control/go_to_start")


def main() -> None:
    """Until it is killed."""
    leave_shared_memory()
    rclpy.init()
    node = rclpy.create_node("server")

    def serve(name):
        def answer(request, response):
            print(name, flush=True)
            return response

        node.create_service(Trigger, name, answer)

    for name in NAMES:
        serve(name)
    node.create_subscription(Image, "flood", lambda message: None, BEST_EFFORT)
    print("ready", flush=True)
    clients = set()
    while not clients >= {f"/{name}" for name in NAMES}:
        rclpy.spin_once(node, timeout_sec=0.05)
        with suppress(NodeNameNonExistentError):  # not yet
            clients = {name for name, _ in node.get_client_names_and_types_by_node(CLIENT, "/")}
    print("found", flush=True)
    rclpy.spin(node)


if __name__ == "__main__":
    main()
