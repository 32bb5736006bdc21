"""What a driver is to the control node: verified before use, then fed once per control period."""

from typing import Protocol

import numpy as np


class Driver(Protocol):
    """Carries one group's commands to its hardware."""

    def verify(self) -> None:
        """Go on asking the hardware whether it is what the embodiment says.

        Never waits; called a few times a second until ``problem`` is None.
        """

    @property
    def problem(self) -> str | None:
        """Why commands must not be sent yet, in words; None once the hardware is verified."""

    def send(self, command_G: np.ndarray, velocity_G: np.ndarray, measured_G: np.ndarray) -> None:
        """Command the group's joints [G].

        Args:
            command_G: positions, rad or m, embodiment order; 0 for a base.
            velocity_G: at which the commands move; for a base along its own axes.
            measured_G: positions; 0 for a base.
        """

    def stop(self) -> None:
        """Commanding ends here and may begin anew later, somewhere else."""
