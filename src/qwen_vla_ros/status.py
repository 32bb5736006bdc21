"""`qwen-vla status`: the board of what all nodes say, in a terminal."""

import sys
import time

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.interrupts import interrupts_held_back

from .qos import RELIABLE
from .status_board import ERROR, LEVELS, NodeStatus, StatusBoard, statuses_of

COLLECT_S = 4.0
"""Discovery takes about a second, and each node publishes once a second."""
REDRAW_S = 0.25
COLUMNS = 300
"""In a pipe or a file: a line for each node."""
_COLOURS = ("green", "yellow", "bold red", "bold magenta")


def show_status(namespace: str, once: bool, values: bool) -> int:
    """Show the board until Ctrl-C, or once.

    Args:
        namespace: of the robot; empty for all on the network.
        once: print it after ``COLLECT_S`` and end; so it is where the output is no terminal.
        values: show all that the nodes measured, too.
    Returns:
        1 if a node reports an error or fell silent, else 0.
    Raises:
        QwenVlaError: no node said anything for ``COLLECT_S``.
    """
    from rich.console import Console
    from rich.live import Live

    board = StatusBoard(namespace)
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = rclpy.create_node("qwen_vla_status")
        node.create_subscription(
            DiagnosticArray,
            "/diagnostics",
            lambda array: board.receive(statuses_of(array, time.monotonic())),
            RELIABLE,
        )
        _spin(node, COLLECT_S)
        if not board.statuses(time.monotonic()):
            of_it = f" of /{namespace.strip('/')}" if namespace else ""
            raise QwenVlaError(
                f"no node{of_it} published /diagnostics for {COLLECT_S:g} s: start the robot, "
                "with the same ROS_DOMAIN_ID; a simulated one is found on its own computer only"
            )
        terminal = sys.stdout.isatty()
        console = Console(width=None if terminal else COLUMNS)
        if once or not terminal:
            statuses = board.statuses(time.monotonic())
            console.print(_table(statuses, values))
            return int(any(status.level >= ERROR for status in statuses))
        with Live(console=console, auto_refresh=False) as live:
            while True:
                live.update(_table(board.statuses(time.monotonic()), values), refresh=True)
                _spin(node, REDRAW_S)
    finally:
        rclpy.try_shutdown()


def _spin(node: Node, seconds: float) -> None:
    end_s = time.monotonic() + seconds
    while (left_s := end_s - time.monotonic()) > 0.0:
        with interrupts_held_back():
            rclpy.spin_once(node, timeout_sec=min(left_s, 0.1))


def _table(statuses: list[NodeStatus], values: bool):
    from rich.table import Table
    from rich.text import Text

    table = Table("robot", "node", "", "what it says", box=None, padding=(0, 2, 0, 0))
    for status in statuses:
        says = Text(status.message)
        if values:
            pairs = "  ".join(f"{key}={value}" for key, value in status.values.items() if value)
            says.append(f"\n{pairs}", style="dim")
        level = Text(LEVELS[status.level], style=_COLOURS[status.level])
        table.add_row(Text(status.robot), Text(status.name), level, says)
    return table
