"""A simulated robot with its real nodes, as processes over DDS, and a person at its side."""

import functools
import itertools
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from domain_coordinator import domain_id

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_ros.bringup import NodeDescription
from qwen_vla_ros.discovery import localhost_only
from qwen_vla_ros.processes import NodeProcesses

if TYPE_CHECKING:
    from qwen_vla_ros.operator import Operator

START_TIMEOUT_S = 90.0
"""Loading torch and the model on a busy two-core machine takes about 20 s."""
ENGAGE_TIMEOUT_S = 15.0

_RESERVED = ExitStack()


@functools.cache
def _reserved_domain() -> int:
    """A domain that no other simulation on this machine has until this process ends."""
    candidates = itertools.count(os.getpid())
    # Domains up to 101 leave their ports outside the ephemeral range.
    return _RESERVED.enter_context(domain_id(lambda: next(candidates) % 100 + 1))


def isolated_environment(*robots: Embodiment) -> dict[str, str]:
    """ROS settings that keep a simulation on this machine and apart from others.

    Args:
        robots: those that are simulated; none where the drivers are played.
    """
    from qwen_vla_ros.transport import simulation_settings

    settings = {"ROS_DOMAIN_ID": str(_reserved_domain()), **localhost_only(os.environ)}
    return settings | simulation_settings(robots, os.environ | settings)


class SimulatedRobot:
    """Runs episodes in real time; a context manager that starts the nodes and stops them.

    Attributes:
        operator: what the person sees and asks for.
    """

    def __init__(
        self,
        embodiment: Embodiment,
        nodes: Sequence[NodeDescription],
        log_directory: Path,
        on_status: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Describe it; the environment must be isolated already.

        Args:
            embodiment: the robot.
            nodes: what to run, the simulator among them.
            log_directory: where the output of each node goes.
            on_status: called now and then with what is going on, and with "" when that is over.
        """
        self._embodiment, self._nodes, self._log_directory = embodiment, nodes, log_directory
        self._on_status = on_status
        self.operator: Operator

    def __enter__(self) -> "SimulatedRobot":
        from qwen_vla_ros.operator import connected_operator

        # Not in the home folder, which there may not be; these logs belong beside the others.
        os.environ["ROS_LOG_DIR"] = str(self._log_directory / "ros")
        with ExitStack() as stack:
            self.operator = stack.enter_context(connected_operator(self._embodiment))
            processes = NodeProcesses(self._nodes, {}, self._log_directory)
            self._processes = stack.enter_context(processes)
            self._wait_until_ready()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _wait_until_ready(self) -> None:
        """Wait for images, a mode and a policy that is loaded.

        Raises:
            QwenVlaError: a node ended, or it takes too long; with the end of its log.
        """
        operator = self.operator
        needed = {
            "sim_node": lambda: operator.images and operator.task_status,
            "control_node": lambda: operator.mode,
            "policy_node": lambda: "/policy_node" in operator.diagnostics,
        }
        started = {node.name for node in self._nodes}
        started_s = time.monotonic()
        while missing := [name for name in needed if name in started and not needed[name]()]:
            waited_s = time.monotonic() - started_s
            self._on_status(f"starting, waiting for {', '.join(missing)} ({waited_s:.0f} s)")
            if waited_s > START_TIMEOUT_S:
                raise QwenVlaError(f"{', '.join(missing)} not there after {START_TIMEOUT_S:g} s")
            self._wait(0.5)
        self._on_status("")

    def place(self, seed: int, task: str = "", shift: str = "") -> str:
        """Have the simulator lay out a scene; control rests meanwhile, as when a person does it.

        Args:
            seed: of the scene.
            task: name of the task; empty for the robot's usual one.
            shift: what is new in the scene; empty for nothing.
        Returns:
            The scene's own instruction.
        """
        operator = self.operator
        operator.request("hold")
        operator.set_active("control_node", False)
        instruction = operator.reset_simulation(seed, task, shift)
        operator.set_active("control_node", True)
        operator.insist("reset", timeout_s=ENGAGE_TIMEOUT_S)  # of what was latched before
        return instruction

    def carry_out(
        self,
        instruction: str,
        *,
        time_limit_s: float,
        held_s: float,
        engage: str = "engage_policy",
        watch: Callable[[float], None] = lambda elapsed_s: None,
    ) -> dict:
        """Tell the task, engage, and watch until it is done or the time is over.

        Args:
            instruction: the task in words.
            time_limit_s: longest time from engaging on.
            held_s: how long success must last.
            engage: the request with which it begins; of a person "engage_teleop".
            watch: called some twenty times a second with the time since engaging.
        Returns:
            success, done (what the simulator says was done), duration_s, and the mode at the end
            with its reason: AUTONOMY, unless something stopped it.
        Raises:
            QwenVlaError: a node ended, or what was to be engaged cannot be.
        """
        operator = self.operator
        operator.instruct(instruction)
        operator.insist(engage, timeout_s=ENGAGE_TIMEOUT_S)
        operator.clear_commands()  # what was commanded before the robot was placed
        started_s = time.monotonic()
        success_since_s = None
        while (elapsed_s := time.monotonic() - started_s) < time_limit_s:
            self._wait(0.05)
            watch(elapsed_s)
            self._on_status(f"{instruction}: {elapsed_s:4.1f} s, {operator.mode}")
            if not operator.task_status["success"]:
                success_since_s = None
            elif success_since_s is None:
                success_since_s = time.monotonic()
            elif time.monotonic() - success_since_s > held_s:
                break
        mode = operator.mode
        operator.request("hold")
        self._on_status("")
        return {
            "success": success_since_s is not None,
            "done": operator.task_status["done"],
            "duration_s": round(elapsed_s, 2),
            "mode": mode,
        }

    def _wait(self, seconds: float) -> None:
        self.operator.wait(lambda: False, seconds)
        if stopped := self._processes.stopped():
            raise QwenVlaError(stopped)
