"""The ROS side of the simulator: one node that looks like the hardware."""
