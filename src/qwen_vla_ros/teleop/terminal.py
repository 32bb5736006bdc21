"""The keyboard of a terminal, published as the device ``keyboard`` until the person ends it."""

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import rclpy
from rclpy.duration import Duration
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Joy
from std_msgs.msg import String

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.interrupts import EndRequest
from qwen_vla_core.teleop.keys import HELP, RELEASED, Keys

from ..qos import LATCHED, RELIABLE
from ..transport import leave_shared_memory

PERIOD_S = 0.04
"""Keys are published at 25 Hz: five messages within a watchdog of 0.2 s."""

ACKNOWLEDGED_S = 0.3
"""Longest wait for the receipt of the last message: a publisher that is gone sends it no more."""

LARGEST_BYTES = 4096
"""What a terminal holds at most for us to read."""

PASTES_MARKED, AS_BEFORE = "\x1b[?2004h", "\x1b[?2004l"
"""Terminals then put an escape sequence before what is pasted: Esc lets go, and ends."""

TOPIC = "teleop/keyboard"


@contextmanager
def key_by_key(descriptor: int) -> Iterator[None]:
    """Have a terminal hand over each key at once and unseen; as it was afterwards, whatever ends.

    Raises:
        QwenVlaError: it is no terminal.
    """
    if not os.isatty(descriptor):
        raise QwenVlaError("needs a terminal for its keys: start it in one, without a pipe")
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor, termios.TCSANOW)
        after = termios.tcgetattr(descriptor)
        after[1] |= termios.OPOST  # lines end as ever
        termios.tcsetattr(descriptor, termios.TCSANOW, after)
        _tell(PASTES_MARKED)
        yield
    finally:
        with suppress(OSError):  # the terminal may be gone
            _tell(AS_BEFORE)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def run_terminal(namespace: str = "") -> None:
    """Publish the keys until q, Ctrl-C, a signal, or the end of the terminal; then let go.

    Args:
        namespace: of the robot.
    Raises:
        QwenVlaError: standard input is no terminal.
    """
    descriptor = sys.stdin.fileno()
    with key_by_key(descriptor):
        request = EndRequest(2.5)
        request.hold_back()
        leave_shared_memory()
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        try:
            _publish_keys(descriptor, namespace, request)
        finally:
            rclpy.try_shutdown()


def _publish_keys(descriptor: int, namespace: str, request: EndRequest) -> None:
    node = rclpy.create_node("teleop_keyboard", namespace=namespace)
    publisher = node.create_publisher(Joy, TOPIC, RELIABLE)
    node.create_subscription(String, "control/mode", lambda message: _show(message.data), LATCHED)
    keys, shown = Keys(), None
    print(HELP, flush=True)
    while not keys.ended and request.signal is None:
        if select.select([descriptor], [], [], PERIOD_S)[0]:
            typed = os.read(descriptor, LARGEST_BYTES).decode(errors="replace")
            keys.type(typed or "\x04", time.monotonic())
        rclpy.spin_once(node, timeout_sec=0.0)
        axes, buttons = keys.state(time.monotonic())
        _publish(node, publisher, axes, buttons)
        if shown != buttons[0]:
            shown = buttons[0]
            _show("pressed: the keys move the robot" if shown else "let go: space takes the robot")
    _publish(node, publisher, *RELEASED)
    publisher.wait_for_all_acked(Duration(seconds=ACKNOWLEDGED_S))
    node.destroy_node()


def _publish(node, publisher, axes: list[float], buttons: list[int]) -> None:
    message = Joy(axes=axes, buttons=buttons)
    message.header.stamp = node.get_clock().now().to_msg()
    publisher.publish(message)


def _tell(sequence: str) -> None:
    """Say something to the terminal itself, if it is there."""
    if sys.stdout.isatty():
        print(sequence, end="", flush=True)


def _show(text: str) -> None:
    print(text, flush=True)
