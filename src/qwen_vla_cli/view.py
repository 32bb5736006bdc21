"""Watch and command a robot in a browser.

Example:
  ros2 launch qwen_vla_ros widowx.launch.py use_sim:=true     # or a real robot
  qwen-vla view                                               # in another terminal

It prints an address that holds a token: whoever has it can move the robot. The page is for this
machine only; from another one: ssh -L 8765:127.0.0.1:8765 robot, and open the same address there.
"""

import argparse
import os
import sys

from .arguments import embodiment_file, port

EXIT_STATUSES = (
    "Exit status: 0 done, 1 page_node did not start, 2 could not be done, 130 interrupted."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla view`."""
    parser.add_argument(
        "--embodiment", help="name or YAML file of the robot (what its control_node says)"
    )
    parser.add_argument("--namespace", default="", help="ROS namespace of the robot")
    parser.add_argument("--port", type=port, default=8765, help="0: any free one (8765)")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0: whoever is in this network and has the address can "
        "move the robot, unencrypted (127.0.0.1)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Become page_node."""
    from qwen_vla_ros.bringup import describe_page

    if arguments.embodiment:
        embodiment, simulated = str(embodiment_file(arguments.embodiment)), False
    else:
        from qwen_vla_ros.page.find_robot import find_robot

        print("asking control_node which robot it is ...", flush=True)
        embodiment, simulated = find_robot(arguments.namespace)
    page = describe_page(
        embodiment=embodiment,
        simulated=simulated,
        namespace=arguments.namespace,
        host=arguments.host,
        port=arguments.port,
    )
    os.execv(sys.executable, page.command())
