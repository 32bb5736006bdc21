"""A node that says on standard output which of two requests reach it, and when it goes on."""

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from qwen_vla_ros.transport import leave_shared_memory

BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
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
    rclpy.spin(node)


if __name__ == "__main__":
    main()
