"""All drivers of one robot, as one."""

from collections.abc import Callable, Mapping

import numpy as np

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.safety import Motion, RobotLimits

from .base import Driver


class RobotDrivers:
    """One driver per group; see ``Driver`` for what each call does."""

    def __init__(self, drivers: Mapping[str, Driver], embodiment: Embodiment) -> None:
        """Of ``drivers`` by group name."""
        self._drivers = [
            (embodiment.group_slice(group), driver) for group, driver in drivers.items()
        ]

    @property
    def problems(self) -> list[str]:
        """Why nothing must be sent, each once: two groups may miss the same driver."""
        return list(dict.fromkeys(d.problem for _, d in self._drivers if d.problem is not None))

    @property
    def warnings(self) -> list[str]:
        """What a person should mend, each once."""
        return list(dict.fromkeys(d.warning for _, d in self._drivers if d.warning))

    @property
    def limits(self) -> dict[str, RobotLimits]:
        """Joint -> what the hardware says of its limits, as far as it has said anything."""
        return {joint: of for _, driver in self._drivers for joint, of in driver.limits.items()}

    def verify(self) -> None:
        """Compare the hardware with the embodiment again."""
        for _, driver in self._drivers:
            driver.verify()

    def send(self, motion: Motion, measured: Callable[[slice], np.ndarray | None]) -> None:
        """Command all joints; ``measured`` says where those of some rows are, None if unknown."""
        for rows, driver in self._drivers:
            driver.send(motion.command_D[rows], motion.velocity_D[rows], measured(rows))

    def stop(self) -> None:
        """End commanding."""
        for _, driver in self._drivers:
            driver.stop()
