"""What every part of qwen_vla_ros speaks: embodiments, observations, execution, safety."""
