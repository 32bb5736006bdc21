"""Record a running robot, or recover what was not finished.

Example:
  qwen-vla record --embodiment widowx
  ros2 service call /record/start std_srvs/srv/Trigger       # in another terminal
  ros2 service call /record/success std_srvs/srv/Trigger     # or failure, stop, discard
  qwen-vla record --embodiment widowx --follow-mode          # each time that the robot is moved
  qwen-vla record --recover recordings/widowx/*.part

Runs recorder_node until Ctrl-C, beside nodes that run already; `record:=true` at launch does the
same. Buttons of a gamepad and keys of `qwen-vla teleop` call the services as well. What a
recording holds: docs/recordings.md.
"""

import argparse
import os
import sys
from pathlib import Path

from .arguments import embodiment_file

EXIT_STATUSES = (
    "Exit status: 0 done, 1 recorder_node did not start, 2 could not be done, 130 interrupted."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla record`."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--embodiment", help="name in embodiments/ or YAML file")
    what.add_argument(
        "--recover",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="make whole recordings of files that were not finished or are truncated",
    )
    parser.add_argument(
        "--folder", default="", help="folder of the recordings (recordings/<embodiment>)"
    )
    parser.add_argument(
        "--follow-mode",
        action="store_true",
        help="an episode each time that the policy or a person moves the robot",
    )
    parser.add_argument("--instruction", default="", help="the task, until someone says another")
    parser.add_argument(
        "--checkpoint", default="", help="the running policy, to be named in the recording"
    )
    parser.add_argument(
        "--raw-images", action="store_true", help="keep raw images as they are, not as JPEG"
    )
    parser.add_argument("--use-sim", action="store_true", help="the robot is simulated")
    parser.add_argument("--namespace", default="", help="ROS namespace of the robot")


def run(arguments: argparse.Namespace) -> int:
    """Become recorder_node, or recover."""
    if arguments.recover:
        return _recover(arguments.recover)
    import qwen_vla_ros.nodes.recorder_node  # noqa: F401  says here what is missing
    from qwen_vla_ros.bringup import describe_recorder

    node = describe_recorder(
        embodiment=str(embodiment_file(arguments.embodiment).absolute()),
        folder=arguments.folder,
        follow_mode=arguments.follow_mode,
        instruction=arguments.instruction,
        checkpoint=arguments.checkpoint,
        raw_images=arguments.raw_images,
        simulated=arguments.use_sim,
        namespace=arguments.namespace,
    )
    command = node.command()
    sys.stdout.flush()
    os.execv(command[0], command)


def _recover(files: list[Path]) -> int:
    from qwen_vla_core.errors import QwenVlaError
    from qwen_vla_data.recording import recover

    failed = 0
    for file in files:
        try:
            print(recover(file))
        except (QwenVlaError, OSError) as error:
            failed += 1
            print(f"qwen-vla record: {error}", file=sys.stderr)
    return 2 if failed else 0
