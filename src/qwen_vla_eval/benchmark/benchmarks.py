"""Which benchmarks there are, their tasks, and where they are installed."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qwen_vla_core.did_you_mean import did_you_mean
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.resources import embodiments_directory

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
        expert: tasks or suites that our scripted expert is for.
    """

    name: str
    module: str
    robot: str
    tasks: tuple[str, ...]
    usual: tuple[str, ...]
    expert: tuple[str, ...]

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

    def choose(self, names: Sequence[str], by_expert: bool = False) -> tuple[str, ...]:
        """The tasks that were named, singly or by their suite; the usual ones where none was.

        Args:
            by_expert: whether our scripted expert does them.
        Raises:
            QwenVlaError: one is not known, and the message names the nearest; or the expert is not
                for it.
        """
        chosen = []
        for name in names or (self.expert if by_expert else self.usual):
            found = [t for t in self.tasks if t == name or t.startswith(f"{name}/")]
            if not found:
                known = dict.fromkeys(
                    part for t in self.tasks for part in (t.partition("/")[0], t)
                )
                raise QwenVlaError(
                    f"{self.name} has no task '{name}'{did_you_mean(name, list(known))}"
                )
            if by_expert and not name.startswith(self.expert):
                raise QwenVlaError(
                    f"no expert of ours does {name} of {self.name}, only {', '.join(self.expert)}"
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
        expert=("transfer_cube",),
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
        expert=("libero_object", "libero_spatial"),
    ),
}
