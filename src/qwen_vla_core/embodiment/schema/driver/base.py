"""What every driver's description answers, beside its keys."""

from collections.abc import Sequence
from typing import ClassVar

from ....yaml_file import Strict
from ..action import BaseVelocity, BaseWaypoints, EeDelta, Gripper, JointPosition
from ..joint import Joint
from ..watchdogs import Watchdogs

Action = EeDelta | JointPosition | Gripper | BaseWaypoints | BaseVelocity


class DriverDescription(Strict):
    """A driver as the embodiment's file describes it.

    A driver of joints also has, as a key or a property, ``joint_states_topic``,
    ``robot_description_topic``, and ``frame_prefix``, what the frames of its links begin with.

    Attributes:
        carries: the conventions of actions whose groups it can carry.
    """

    carries: ClassVar[frozenset[str]]

    @property
    def occupies(self) -> dict[str, str]:
        """What of the hardware it takes for itself beside the joints: name -> in words."""
        return {}

    def check_group(self, joints: Sequence[Joint], action: Action) -> None:
        """Refuse joints and an action that it cannot carry.

        Raises:
            WrongKey: below the group.
        """

    def check_rate(self, command_hz: float, watchdogs: Watchdogs) -> None:
        """Refuse a rate of commands at which it would not be safe.

        Raises:
            WrongKey: of the embodiment.
        """
