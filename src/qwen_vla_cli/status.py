"""What every node of a robot says of itself: its state, and why something does not move.

Example:
  qwen-vla status                    # all robots on the network, live, until Ctrl-C
  qwen-vla status --namespace left --values
  qwen-vla status --once             # for a script: exit status 1 if a node reports an error

It shows what the nodes publish on /diagnostics once a second, those of the robot's own drivers
too. A node that fell silent is STALE.
"""

import argparse

EXIT_STATUSES = (
    "Exit status: 0 done, 1 with --once: a node reports an error, 2 could not be done, "
    "130 interrupted."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla status`."""
    parser.add_argument("--namespace", default="", help="ROS namespace of the robot (all robots)")
    parser.add_argument("--once", action="store_true", help="print it once and end")
    parser.add_argument(
        "--values", action="store_true", help="all that is measured: rates, ages, latencies, ..."
    )


def run(arguments: argparse.Namespace) -> int:
    """Show the board."""
    from qwen_vla_ros.status import show_status

    return show_status(arguments.namespace, arguments.once, arguments.values)
