"""Which benchmarks there are, their tasks, and where they are installed."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qwen_vla_core.did_you_mean import did_you_mean
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.resources import embodiments_directory

INITIAL_STATES = 50
"""Of each task, as LIBERO has them; gym-aloha's are seeds, and LeRobot evaluates as many."""
FIRST_TRAINING_STATE = 10_000
"""States from here on are seeds of ours, of the benchmark's own distribution: for recordings."""
FOLDER = "QWEN_VLA_BENCHMARKS"
"""Environment variable with the folder of the environments, where it is not .venv-benchmarks."""

LIBERO_SUITES = ("libero_object", "libero_spatial", "libero_goal", "libero_10")
"""Of ten tasks each."""
PRO_SHIFTS = ("_lan", "_object", "_swap", "_task")
"""LIBERO-PRO's variants of each suite: other words, looks, places, and another task."""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One benchmark.

    Attributes:
        module: what its client runs, ``module:class``.
        robot: its embodiment, a file in embodiments/benchmarks/.
        tasks: names of single tasks; a suite's are ``<suite>/<number>``.
        usual: tasks or suites that are measured where none is named.
    """

    name: str
    module: str
    robot: str
    tasks: tuple[str, ...]
    usual: tuple[str, ...]

    @property
    def embodiment(self) -> Path:
        return embodiments_directory() / "benchmarks" / f"{self.robot}.yaml"

    @property
    def python(self) -> Path:
        """The interpreter of its environment.

        Raises:
            QwenVlaError: it is not installed.
        """
        folder = Path(os.environ.get(FOLDER, ".venv-benchmarks"))
        python = folder / self.name / "bin" / "python"
        if not python.is_file():
            raise QwenVlaError(
                f"{python} is not there: run `make benchmark-setup`, or name the folder of the "
                f"environments in {FOLDER}"
            )
        return python.absolute()

    def choose(self, names: Sequence[str]) -> tuple[str, ...]:
        """The tasks that were named, singly or by their suite; the usual ones where none was.

        Raises:
            QwenVlaError: one is not known; the message names the nearest.
        """
        chosen = []
        for name in names or self.usual:
            found = [t for t in self.tasks if t == name or t.startswith(f"{name}/")]
            if not found:
                known = dict.fromkeys(
                    part for t in self.tasks for part in (t.partition("/")[0], t)
                )
                raise QwenVlaError(
                    f"{self.name} has no task '{name}'{did_you_mean(name, list(known))}"
                )
            chosen += found
        return tuple(dict.fromkeys(chosen))


BENCHMARKS = {
    "aloha": Benchmark(
        name="aloha",
        module="client.gym_aloha_tasks:GymAloha",
        robot="gym_aloha",
        tasks=("transfer_cube", "insertion"),
        usual=("transfer_cube", "insertion"),
    ),
    "libero": Benchmark(
        name="libero",
        module="client.libero_tasks:Libero",
        robot="libero_panda",
        tasks=tuple(
            f"{suite}{shift}/{number}"
            for shift in ("", *PRO_SHIFTS)
            for suite in LIBERO_SUITES
            for number in range(10)
        ),
        usual=LIBERO_SUITES,
    ),
}
