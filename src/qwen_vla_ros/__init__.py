"""The suite's ROS 2 side: nodes, hardware drivers and their wiring. Logic lives in core."""
