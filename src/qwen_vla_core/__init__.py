"""What every part of qwen_vla_ros speaks: types, embodiments, execution and safety. No ROS, no torch."""
