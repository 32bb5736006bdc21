"""What a driver is to control_node: carries one group's commands to its hardware.

control_node makes one driver per group when it is configured, calls ``verify`` at 5 Hz for as
long as it is active, ``send`` once per control period while it commands, and ``stop`` when
commanding ends. While ``problem`` is not None, nothing is sent and nothing can be engaged. When a
problem appears while the group is commanded, control_node latches a fault, calls ``stop`` of all
drivers, and stays silent until the problem is gone and a person has reset.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from qwen_vla_core.safety import RobotLimits


class Driver(Protocol):
    """Carries one group's commands to its hardware.

    No call waits for anything, except that ``stop`` may wait 0.1 s for its last message to arrive.

    Attributes:
        problem: why commands must not be sent now, in words that name the topic or service and
            say what to do; None while all is as the embodiment says. It may appear and disappear
            at any time.
        warning: what a person should mend although nothing has to stop for it; None if nothing.
        limits: joint, by the embodiment's name -> what the hardware itself says of its limits;
            empty while it has said nothing. control_node obeys the tighter of these and the
            embodiment's.
    """

    problem: str | None
    warning: str | None
    limits: Mapping[str, RobotLimits]

    def verify(self) -> None:
        """Compare the hardware with the embodiment again, and bring ``problem`` up to date.

        Called at 5 Hz while the node is active, whether it commands or not. Never waits: what one
        call asks, a later one judges.
        """

    def send(
        self, command_G: np.ndarray, velocity_G: np.ndarray, measured_G: np.ndarray | None
    ) -> None:
        """Command the group's joints [G] for one control period; only while ``problem`` is None.

        Args:
            command_G: positions, rad or m, in the embodiment's order; 0 for a base.
            velocity_G: velocities of the command, rad/s or m/s; those of a base along its own
                axes (ahead, to the left, turning).
            measured_G: measured positions, rad or m; 0 for a base; None while the last
                measurement is older than ``watchdogs.joint_states_s``.
        """

    def stop(self) -> None:
        """End commanding; leave the hardware so that it is safe without further commands.

        Called when the node is deactivated, when a fault latches (whatever ``problem`` says: a
        driver leaves out by itself what its problem forbids, such as an effort for a gripper that
        is in another operating mode), and when the process receives SIGINT or SIGTERM. It sends
        nothing where nothing was sent since the last ``stop``. The next ``send`` starts again.
        """
