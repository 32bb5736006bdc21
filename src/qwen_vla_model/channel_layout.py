"""Which of the model's K channels a robot's actions and state take.

``native``: one after the other, as the paper zero-pads them.

``canonical``: Qwen-RobotManip's 80 channels, where a channel means the same on every robot. 29 for
each arm (7 joints, position 3 and rotation 6 of the tool, gripper 1, dexterous hand 12), the left
arm first, then 22 in reserve. A rotation vector takes the first three rotation slots, as in its
actions; Euler angles have none. Ours is only what of the reserve a mobile base gets.
"""

from dataclasses import dataclass
from typing import Literal

from qwen_vla_core.embodiment import Embodiment, Group
from qwen_vla_core.errors import CheckpointError

ChannelLayout = Literal["native", "canonical"]

CANONICAL_CHANNELS = 80
_SIDE_START = {"left": 0, "right": 29}
_START_IN_ARM = {"joint_position": 0, "ee_delta": 7, "gripper": 16}
_ARM_JOINTS = 7
_BASE_START = {"base_waypoints": 58, "base_velocity": 61}


@dataclass(frozen=True, kw_only=True)
class ChannelSlots:
    """The model's channels of a robot's action channels, and of its state channels."""

    actions: tuple[int, ...]
    states: tuple[int, ...]


def channel_slots(embodiment: Embodiment, layout: ChannelLayout, channels: int) -> ChannelSlots:
    """Where the channels of a robot stand among the model's ``channels``.

    Raises:
        CheckpointError: they do not fit, or one has no canonical slot of its own.
    """
    if layout == "canonical":
        slots = ChannelSlots(
            actions=_canonical(embodiment, lambda group: len(group.action_channels)),
            states=_canonical(embodiment, lambda group: len(group.state_channels)),
        )
    else:
        slots = ChannelSlots(
            actions=tuple(range(len(embodiment.action_channels))),
            states=tuple(range(len(embodiment.state_channels))),
        )
    needed = max((*slots.actions, *slots.states)) + 1
    if needed > channels:
        raise CheckpointError(
            f"{embodiment.name}: {needed} channels, but the model has {channels}"
        )
    return slots


def _canonical(embodiment: Embodiment, count_of) -> tuple[int, ...]:
    owner: dict[int, str] = {}
    for group in embodiment.groups:
        start = _start(embodiment, group)
        for slot in range(start, start + count_of(group)):
            if slot in owner:
                raise CheckpointError(
                    f"{embodiment.name}: groups {owner[slot]} and {group.name} are the same slots "
                    f"of the canonical layout; one of them may need 'side: right'"
                )
            owner[slot] = group.name
    return tuple(owner)


def _start(embodiment: Embodiment, group: Group) -> int:
    """The first slot of a group."""
    convention = group.action.convention
    if group.is_base:
        return _BASE_START[convention]
    reason = None
    if convention == "ee_delta" and group.action.rotation == "euler":
        reason = "Euler angles have no slot in the canonical layout; use rotation: rot6d"
    elif convention == "joint_position" and len(group.joints) > _ARM_JOINTS:
        reason = (
            f"an arm has {_ARM_JOINTS} joints in the canonical layout, not {len(group.joints)}"
        )
    if reason is not None:
        raise CheckpointError(f"{embodiment.name}: group {group.name}: {reason}")
    return _SIDE_START[group.side] + _START_IN_ARM[convention]
