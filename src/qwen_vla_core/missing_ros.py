"""What to say where a part of ROS is not installed: one line in the place of a traceback."""

import sys

_ROS_MODULES = {
    "ament_index_python",
    "builtin_interfaces",
    "domain_coordinator",
    "launch",
    "launch_ros",
    "rclpy",
    "rcl_interfaces",
    "std_srvs",
}


def explain_missing_ros(error: ModuleNotFoundError) -> str | None:
    """What is missing and what brings it; None if the module is no part of ROS."""
    module = (error.name or "").partition(".")[0]
    if module == "interbotix_xs_msgs":
        return (
            "interbotix_xs_msgs is not installed; source the workspace of your Interbotix robot, "
            "or run `make setup` in a checkout of this package"
        )
    if module in _ROS_MODULES or module.endswith("_msgs"):
        return (
            f"{module} is not installed for {sys.executable}; source a ROS 2 distribution of the "
            "same Python (. /opt/ros/jazzy/setup.bash), or without one run `pip install '.[ros]'` "
            "in a checkout of this package"
        )
    return None
