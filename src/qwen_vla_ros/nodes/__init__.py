"""The processes that `ros2 launch` and `qwen-vla demo` start."""
