"""What the lifecycle nodes share: the parameters they declare, and transitions that clean up."""

import functools
import hashlib
import traceback
from collections.abc import Callable
from contextlib import ExitStack

from lifecycle_msgs.msg import State
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

from qwen_vla_core.embodiment import (
    Embodiment,
    find_embodiment,
    in_simulation,
    load_embodiment,
)
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.missing_ros import explain_missing_ros
from qwen_vla_core.resources import embodiments_directory

from ..diagnostics import ERROR, DiagnosticsPublisher
from .parameters import read_only

NAMESAKE_PERIOD_S = 1.0

SHOWN_OF_SHA256 = 12
"""Hexadecimal digits of a hash on /diagnostics: as many as git shows of a large project's."""

TRANSITIONS = ("on_configure", "on_activate", "on_deactivate", "on_cleanup", "on_shutdown")


class EmbodimentNode(LifecycleNode):
    """A lifecycle node for one embodiment.

    Subclasses implement ``configure()`` and may raise QwenVlaError there: the transition then
    fails with that message. Whatever ``configure`` did until then is undone, as in cleaning up.
    """

    def __init_subclass__(cls) -> None:
        """rclpy swallows what a transition raises; here it is logged."""
        for name in TRANSITIONS:
            setattr(cls, name, _logging_errors(getattr(cls, name)))

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._active_timers = []
        self._undo = ExitStack()
        self._diagnostics: DiagnosticsPublisher | None = None
        kinds = ("subscription", "publisher", "service", "client")
        self._own = {kind: set(getattr(self, f"{kind}s")) for kind in kinds}
        self.declare_parameter(
            "embodiment", "", read_only("name in embodiments/ or path of an embodiment YAML")
        )
        self.declare_parameter(
            "autostart",
            True,
            read_only("configure and activate at start, without a lifecycle request"),
        )
        self.declare_parameter(
            "simulated",
            False,
            read_only(
                "the robot is simulated: its measurements may be silent for longer, and a still "
                "camera image is not frozen"
            ),
        )

    def load_embodiment(self) -> Embodiment:
        """The description that the ``embodiment`` parameter names.

        Raises:
            YamlFileError: it is missing or wrong.
        """
        path = find_embodiment(self.text("embodiment"), embodiments_directory())
        embodiment = load_embodiment(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        self.embodiment_sha256 = digest[:SHOWN_OF_SHA256]
        return in_simulation(embodiment) if self.get_parameter("simulated").value else embodiment

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

    def stop(self) -> None:
        """Deactivate, if active: what the node drives is stopped."""
        if self.active:
            self.trigger_deactivate()

    def report_failure(self, what: str) -> None:
        """Say on /diagnostics and in the log that the node ends because of an error."""
        message = f"ended by an error in the program: {what}"
        if self._diagnostics is not None:
            self._diagnostics.publish(ERROR, message, {})
            self._diagnostics.flush()
        self.get_logger().fatal(message)

    def on_activate(self, state: object) -> TransitionCallbackReturn:
        """Watch for a second node of the same name, such as another launch for the same robot."""
        self._namesakes = 0
        self.every(NAMESAKE_PERIOD_S, self._look_for_namesakes)
        return super().on_activate(state)

    def _look_for_namesakes(self) -> None:
        own = self.get_name(), self.get_namespace()
        namesakes = self.get_node_names_and_namespaces().count(own) - 1
        if namesakes > self._namesakes:
            self.get_logger().error(
                f"another node is called {self.get_fully_qualified_name()}, too: end one of the "
                "two (one that was killed is still found for 20 s)"
            )
        self._namesakes = namesakes

    def on_deactivate(self, state: object) -> TransitionCallbackReturn:
        """Stop all that ``every`` started."""
        for timer in self._active_timers:
            self.destroy_timer(timer)
        self._active_timers = []
        return super().on_deactivate(state)

    def on_shutdown(self, state: object) -> TransitionCallbackReturn:
        """Whatever deactivating stops and cleaning up ends, shutting down does as well."""
        if self.active:
            self.on_deactivate(state)
        if state.state_id != State.PRIMARY_STATE_UNCONFIGURED:
            self.on_cleanup(state)
        return super().on_shutdown(state)

    def on_cleanup(self, state: object) -> TransitionCallbackReturn:
        self._undo_configure()
        return super().on_cleanup(state)

    def at_cleanup(self, undo: Callable[[], object]) -> None:
        """Have something undone that ``configure`` did; what was done last is undone first."""
        self._undo.callback(undo)

    def _undo_configure(self) -> None:
        """What it opened is closed, and what it connected is disconnected."""
        self._undo.close()
        self._diagnostics = None
        for kind, own in self._own.items():
            for entity in set(getattr(self, f"{kind}s")) - own:
                getattr(self, f"destroy_{kind}")(entity)

    def configure(self) -> None:
        """Load and connect everything; called in the configure transition."""
        raise NotImplementedError

    def on_configure(self, state: object) -> TransitionCallbackReturn:
        try:
            self.configure()
        except Exception as error:
            self._undo_configure()
            missing = isinstance(error, ModuleNotFoundError)
            problem = explain_missing_ros(error) if missing else error
            if problem is None or not (missing or isinstance(error, QwenVlaError)):
                raise
            self.get_logger().error(f"cannot be configured: {problem}")
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS


def _logging_errors(transition):
    """The transition, which says in the log what it raises."""

    @functools.wraps(transition)
    def logged(self, state):
        try:
            return transition(self, state)
        except Exception:
            self.get_logger().error(f"{transition.__name__} failed:\n{traceback.format_exc()}")
            raise

    return logged
