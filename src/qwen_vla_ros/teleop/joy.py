"""Gamepads, and the keyboard of ``qwen-vla teleop``: sensor_msgs/Joy.

Beside what the hands want, buttons press the emergency stop and ask a recorder. Each message says
whether the stop is pressed, so that the topic is a heartbeat of the gamepad as well.
"""

import time
from collections.abc import Callable

from rclpy.node import Node
from sensor_msgs.msg import Joy
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.schema import Joy as JoySection
from qwen_vla_core.embodiment.schema import Keyboard
from qwen_vla_core.resources import share_directory
from qwen_vla_core.teleop import GamepadReader, Hands, read_gamepad
from qwen_vla_core.teleop.gamepad import RECORDINGS
from qwen_vla_core.yaml_file import find_named

from ..bounded import INPUT_BYTES
from ..estop_topic import TELEOP_ESTOP
from ..qos import RELIABLE
from ..stream_meter import StreamMeter
from .base import DeadManDevice, receive

UNCHANGED_S = 5.0
"""A gamepad that asks for one motion for longer than this, s, without any change, may be out of
range: joy's nodes repeat the last that they heard. The keys of a terminal end after as long."""


class JoyDevice(DeadManDevice):
    """Arms by the velocity of their tools, a base by its own, from axes and buttons."""

    def __init__(
        self,
        node: Node,
        section: JoySection | Keyboard,
        embodiment: Embodiment,
        refuse: Callable[[str], None],
        meter: StreamMeter,
    ) -> None:
        folder = share_directory() / "config" / "teleop"
        gamepad = read_gamepad(find_named("gamepad", section.gamepad, folder))
        self._reader = GamepadReader(embodiment, gamepad)
        self._node, self._refuse = node, refuse
        self._estop = node.create_publisher(Bool, TELEOP_ESTOP, RELIABLE)
        self._recorder = {
            name: node.create_client(Trigger, name.replace("_", "/")) for name in RECORDINGS
        }
        self._silence_s = embodiment.watchdogs.teleop_s
        self._hands: Hands | None = None
        self._at_s = self._changed_s = 0.0
        self._said = None
        self._repeats = isinstance(section, JoySection)  # a terminal's keys say themselves
        receive(node, Joy, section.topic, INPUT_BYTES, self._on_joy, refuse, meter)

    def hands(self, now_s: float) -> Hands | None:
        if self._repeats and self._hands is not None and self._hands.pressed:
            if self._hands.wish.moves and now_s - self._changed_s > UNCHANGED_S:
                self._node.get_logger().warning(
                    f"the gamepad has not changed for {UNCHANGED_S:g} s in motion: out of range? "
                    "Let go of its dead-man and press again",
                    throttle_duration_sec=5.0,
                )
                return None
        return self._hands if now_s - self._at_s <= self._silence_s else None

    def _on_joy(self, message: Joy) -> None:
        # Before anything else in the message is judged.
        stop = self._reader.stop_pressed(message.buttons)
        if stop is not None:
            self._estop.publish(Bool(data=stop))
        for name in self._reader.recordings_pressed(message.buttons):
            self._ask_recorder(name)
        self._hands = self._reader.read(message.axes, message.buttons)
        self._at_s = time.monotonic()
        said = message.axes, message.buttons
        if said != self._said:
            self._said, self._changed_s = said, self._at_s

    def _ask_recorder(self, name: str) -> None:
        """Ask, and log the answer when it comes."""
        client = self._recorder[name]
        if not client.service_is_ready():
            self._refuse(f"{client.srv_name}: nobody answers; start recorder_node")
            return

        def answered(future) -> None:
            answer = future.result()
            outcome = "granted" if answer.success else "refused"
            self._node.get_logger().info(f"{client.srv_name} {outcome}: {answer.message}")

        client.call_async(Trigger.Request()).add_done_callback(answered)
