"""What the lifecycle nodes share: parameters they declare, bringing themselves up, running."""

import signal
import sys
from collections.abc import Callable

import rclpy
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions

from qwen_vla_core.embodiment import Embodiment, find_embodiment, load_embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.interrupts import interrupts_held_back

from ..resources import embodiments_directory

WAKE_S = 0.1
"""How often a node that has nothing to do looks whether it was interrupted."""


def read_only(description: str) -> ParameterDescriptor:
    """Descriptor of a parameter that is set at start-up and not changed afterwards."""
    return ParameterDescriptor(description=description, read_only=True)


class EmbodimentNode(LifecycleNode):
    """A lifecycle node for one embodiment.

    Subclasses implement ``configure()`` and may raise QwenVlaError there: the transition then
    fails with that message, and nothing has been started.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._active_timers = []
        kinds = ("subscription", "publisher", "service", "client")
        self._own = {kind: set(getattr(self, f"{kind}s")) for kind in kinds}
        self.declare_parameter(
            "embodiment", "", read_only("name in embodiments/ or path of an embodiment YAML")
        )
        self.declare_parameter(
            "autostart", True, read_only("configure and activate without waiting to be told")
        )

    def load_embodiment(self) -> Embodiment:
        """The description that the ``embodiment`` parameter names.

        Raises:
            EmbodimentError: it is missing or wrong.
        """
        return load_embodiment(find_embodiment(self.text("embodiment"), embodiments_directory()))

    def text(self, parameter: str) -> str:
        """Value of a string parameter."""
        return self.get_parameter(parameter).get_parameter_value().string_value

    def now_s(self) -> float:
        """ROS time, s."""
        return self.get_clock().now().nanoseconds * 1e-9

    def every(self, period_s: float, callback: Callable[[], None]) -> None:
        """Call ``callback`` on the steady clock until the node is deactivated."""
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._active_timers.append(self.create_timer(period_s, callback, clock=steady))

    @property
    def active(self) -> bool:
        """Whether the node's timers run."""
        return bool(self._active_timers)

    def on_deactivate(self, state: object) -> TransitionCallbackReturn:
        """Stop all that ``every`` started."""
        for timer in self._active_timers:
            self.destroy_timer(timer)
        self._active_timers = []
        return super().on_deactivate(state)

    def on_shutdown(self, state: object) -> TransitionCallbackReturn:
        """Whatever deactivating stops, shutting down stops as well."""
        if self.active:
            self.on_deactivate(state)
        return super().on_shutdown(state)

    def on_cleanup(self, state: object) -> TransitionCallbackReturn:
        """Undo ``configure``: what it connected is disconnected."""
        for kind, own in self._own.items():
            for entity in set(getattr(self, f"{kind}s")) - own:
                getattr(self, f"destroy_{kind}")(entity)
        return super().on_cleanup(state)

    def configure(self) -> None:
        """Load and connect everything; called in the configure transition."""
        raise NotImplementedError

    def on_configure(self, state: object) -> TransitionCallbackReturn:
        try:
            self.configure()
        except QwenVlaError as error:
            self.get_logger().error(f"cannot be configured: {error}")
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS


def run(node_class: type[EmbodimentNode]) -> None:
    """Run one node until it is interrupted; exit status 1 when it could not bring itself up.

    An interrupted node is deactivated first, so that what it drives is told to stop. rclpy's own
    signal handlers would end all communication at once.
    """
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt_once)
    node = node_class()
    exit_status = 0
    try:
        if node.get_parameter("autostart").value:
            succeeded = TransitionCallbackReturn.SUCCESS
            if node.trigger_configure() != succeeded or node.trigger_activate() != succeeded:
                exit_status = 1
        if exit_status == 0:
            executor = SingleThreadedExecutor()
            executor.add_node(node)
            while rclpy.ok():
                with interrupts_held_back():
                    executor.spin_once(timeout_sec=WAKE_S)
    except KeyboardInterrupt:
        pass
    finally:
        if node.active:
            node.trigger_deactivate()
        node.destroy_node()
        rclpy.try_shutdown()
    sys.exit(exit_status)


def _interrupt_once(number: int, frame: object) -> None:
    """End the node; further signals must not cut short what it still has to say."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
