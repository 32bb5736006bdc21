"""A node as a process: from its start to an end that leaves the hardware stopped."""

import os
import sys
import traceback
from contextlib import suppress

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions

from qwen_vla_core.exit_status import ENDED_ON_REQUEST, FAILED, NOT_STARTED
from qwen_vla_core.interrupts import EndRequest

from ..transport import leave_shared_memory
from .console import never_wait_to_print
from .lifecycle import EmbodimentNode

WAKE_S = 0.1
"""How often an idle node checks whether it received a signal to end."""

END_WITHIN_S = 2.5
"""Time to end after the first signal, s; then the kernel ends the process, whatever it does."""


def run(node_class: type[EmbodimentNode], commands: bool = False) -> None:
    """Run one node until the process receives SIGINT or SIGTERM; ends the process.

    However it ends, the node is deactivated before ROS goes away, so that what it drives is
    stopped; rclpy's own signal handlers would end all communication at once. The exit status is
    one of ``qwen_vla_core.exit_status``.

    Args:
        node_class: the node.
        commands: whether it commands a robot, and so waits neither for shared memory, which images
            need, nor for those who read what it prints.
    """
    if commands:
        never_wait_to_print()
        leave_shared_memory()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    request = EndRequest(END_WITHIN_S)
    node, status, failure = None, NOT_STARTED, None
    try:
        node = node_class()
        _stop_before_shutdown(node)
        if not node.get_parameter("autostart").value or _bring_up(node, request):
            request.hold_back()
            executor = SingleThreadedExecutor()
            executor.add_node(node)
            while request.signal is None:
                executor.spin_once(timeout_sec=WAKE_S)
    except BaseException as error:  # SystemExit from a callback as well: the robot must stop
        failure = error
    request.begin_to_end()
    if request.signal is not None:
        status, failure = ENDED_ON_REQUEST, None
    if node is not None:
        _end(node, failure)
    if node is None and isinstance(failure, ParameterException):
        _print(f"{node_class.__name__} cannot start: {failure}")
    elif failure is not None:
        status = FAILED
        _print(failure)
    rclpy.try_shutdown()
    # Not sys.exit, which would wait for the policy's inference thread.
    os._exit(status)


def _bring_up(node: EmbodimentNode, request: EndRequest) -> bool:
    """Configure and activate; from then on a signal must not cut a call short."""
    if node.trigger_configure() != TransitionCallbackReturn.SUCCESS:
        return False
    request.hold_back()
    return node.trigger_activate() == TransitionCallbackReturn.SUCCESS


def _end(node: EmbodimentNode, failure: BaseException | None) -> None:
    """Stop what the node drives, say what failed, and leave the network."""
    try:
        node.stop()
        if failure is not None:
            node.report_failure(f"{type(failure).__name__}: {failure}")
        node.destroy_node()
    except BaseException as error:  # whatever it is, the process ends now
        _print(error)


def _stop_before_shutdown(node: EmbodimentNode) -> None:
    """Have whoever shuts ROS down in this process stop the hardware first."""
    context = node.context
    shutdown = context.shutdown

    def stop_and_shut_down() -> None:
        node.stop()
        shutdown()

    context.shutdown = stop_and_shut_down


def _print(what: str | BaseException) -> None:
    """To standard error, if anybody still reads it."""
    if isinstance(what, BaseException):
        what = "".join(traceback.format_exception(what))
    with suppress(OSError, ValueError):
        print(what, file=sys.stderr, flush=True)
    with suppress(OSError, ValueError):
        sys.stdout.flush()
