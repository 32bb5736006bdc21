"""Gamepads, and the keyboard of ``qwen-vla teleop``: sensor_msgs/Joy."""

import time
from collections.abc import Callable

from rclpy.node import Node
from sensor_msgs.msg import Joy

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.schema import Joy as JoySection
from qwen_vla_core.embodiment.schema import Keyboard
from qwen_vla_core.errors import EmbodimentError
from qwen_vla_core.teleop import GamepadReader, Hands, read_gamepad

from ..bounded import INPUT_BYTES
from ..resources import share_directory
from .base import DeadManDevice, receive


class JoyDevice(DeadManDevice):
    """Arms by the velocity of their tools, a base by its own, from axes and buttons."""

    def __init__(
        self,
        node: Node,
        section: JoySection | Keyboard,
        embodiment: Embodiment,
        refuse: Callable[[str], None],
    ) -> None:
        folder = share_directory() / "config" / "teleop"
        path = folder / f"{section.gamepad}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
            raise EmbodimentError(
                f"no gamepad '{section.gamepad}' in {folder}; there are: {known}"
            )
        self._reader = GamepadReader(embodiment, read_gamepad(path))
        self._silence_s = embodiment.watchdogs.teleop_s
        self._hands: Hands | None = None
        self._at_s = 0.0
        receive(node, Joy, section.topic, INPUT_BYTES, self._on_joy, refuse)

    def hands(self, now_s: float) -> Hands | None:
        return self._hands if now_s - self._at_s <= self._silence_s else None

    def _on_joy(self, message: Joy) -> None:
        self._hands = self._reader.read(message.axes, message.buttons)
        self._at_s = time.monotonic()
