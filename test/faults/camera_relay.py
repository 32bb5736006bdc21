"""Passes on what the cameras of far_sim_node.py show: the process to kill for cameras to die."""

import rclpy
from far_sim_node import CAMERAS
from rclpy.node import Node
from sensor_msgs.msg import Image

from qwen_vla_ros.qos import IMAGES

if __name__ == "__main__":
    rclpy.init()
    node = Node("camera_relay")
    for topic in CAMERAS:
        publisher = node.create_publisher(Image, topic, IMAGES)
        node.create_subscription(Image, f"far/{topic}", publisher.publish, IMAGES, raw=True)
    rclpy.spin(node)
