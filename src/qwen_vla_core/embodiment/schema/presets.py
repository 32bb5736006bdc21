"""What presets fill in before a description is checked."""

from typing import Any

from ..gripper_presets import GRIPPER_PRESETS


def with_presets(embodiment: Any) -> Any:
    """A description, as the file has it, with the ends of grippers where a preset gives them."""
    groups = embodiment.get("groups")
    if not isinstance(groups, list):
        return embodiment
    return {**embodiment, "groups": [_with_preset(group) for group in groups]}


def _with_preset(group: Any) -> Any:
    match group:
        case {
            "action": {"convention": "gripper"} as action,
            "driver": {"type": "interbotix_position_gripper", "preset": str(name)} as driver,
        } if name in GRIPPER_PRESETS:
            ends = GRIPPER_PRESETS[name]
            fingers = {"closed": ends.finger_closed_m, "open": ends.finger_open_m}
            motor = {
                "motor_closed_rad": ends.motor_closed_rad,
                "motor_open_rad": ends.motor_open_rad,
            }
            return {**group, "action": fingers | action, "driver": motor | driver}
    return group
