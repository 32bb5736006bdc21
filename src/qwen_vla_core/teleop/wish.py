"""What a person's hands want in one period, whatever device they hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, kw_only=True, eq=False)
class Wish:
    """All parts are optional; what no part names stays where it is.

    Attributes:
        positions: joint -> position, rad or m, of a leader; counted from where it was when it was
            engaged, unless it is absolute.
        tool_velocities: arm -> [6]: velocity, m/s, and turning rate, rad/s, of its tool, along
            the axes of its base_link.
        tool_poses: arm -> [4, 4]: the pose of a hand, m, along the axes of the arm's base_link;
            its motion since it was engaged counts.
        gripper_speeds: gripper -> share of its range in a second; positive opens.
        base: velocity ahead, m/s, and turning to the left, rad/s; None for a base that stands.
    """

    positions: Mapping[str, float] = field(default_factory=dict)
    tool_velocities: Mapping[str, np.ndarray] = field(default_factory=dict)
    tool_poses: Mapping[str, np.ndarray] = field(default_factory=dict)
    gripper_speeds: Mapping[str, float] = field(default_factory=dict)
    base: tuple[float, float] | None = None

    @property
    def moves(self) -> bool:
        """Whether it asks for a velocity, of whatever part."""
        parts = [*self.tool_velocities.values(), list(self.gripper_speeds.values())]
        return any(np.any(part) for part in (*parts, self.base or (0.0, 0.0)))

    @property
    def finite(self) -> bool:
        """Whether no number in it is NaN or infinite."""
        parts = [*self.tool_velocities.values(), *self.tool_poses.values()]
        parts += [list(self.positions.values()), list(self.gripper_speeds.values())]
        return all(np.isfinite(part).all() for part in (*parts, self.base or (0.0, 0.0)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Hands:
    """What a device says now.

    Attributes:
        pressed: whether its dead-man is held; of a leader, whether a person has engaged it.
        wish: what it wants.
        message: what a person should know of it, such as a stick off centre; "" for nothing.
    """

    pressed: bool
    wish: Wish
    message: str = ""
