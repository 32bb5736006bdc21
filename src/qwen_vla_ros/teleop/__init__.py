"""Devices: how a person's hands reach teleop/command.

A new device is one file here, its description in qwen_vla_core/embodiment/schema/teleop.py, and
one line in ``DEVICES``.
"""

import importlib
from collections.abc import Callable

from rclpy.node import Node

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.schema.teleop import AnyDevice

from ..stream_meter import StreamMeter
from .base import Device

DEVICES = {
    "leader": "leader:LeaderDevice",
    "joy": "joy:JoyDevice",
    "keyboard": "joy:JoyDevice",  # terminal.py publishes what a gamepad would
    "twist": "twist:TwistDevice",
    "clutched_pose": "clutched_pose:ClutchedPoseDevice",
}
"""The ``type`` of a device in an embodiment's ``teleop`` section -> module in this folder and
class, made of (node, its section, embodiment, callback for what it refuses,
meter of its streams)."""


def make_device(
    node: Node,
    section: AnyDevice,
    embodiment: Embodiment,
    refuse: Callable[[str], None],
    meter: StreamMeter,
) -> Device:
    """Connect one device.

    Args:
        refuse: gets the reason, in words, for each message not used.
        meter: counts what its topics bring.
    """
    module, name = DEVICES[section.type].split(":")
    device = getattr(importlib.import_module(f".{module}", __name__), name)
    return device(node, section, embodiment, refuse, meter)


__all__ = ["DEVICES", "Device", "make_device"]
