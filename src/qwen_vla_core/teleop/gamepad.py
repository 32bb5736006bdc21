"""Gamepads: which axis and button does what, as a file, and what they want.

An axis counts only after it was seen at rest: a stick that rests off centre, or a trigger whose
driver reports 0 before it was first pressed, moves nothing. The dead-man is treated alike, by
``Session``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, FiniteFloat

from ..embodiment import Embodiment
from ..errors import ObservationError
from ..yaml_file import Strict, read_yaml
from ..yaml_file.kinds import GAMEPAD
from .wish import Hands, Wish

Channel = Literal["ahead", "left", "up", "roll", "pitch", "yaw", "open"]
CHANNELS: tuple[Channel, ...] = ("ahead", "left", "up", "roll", "pitch", "yaw", "open")
"""Of a tool: where it moves and turns (to the left, downwards and so on by REP-103), and whether
the gripper opens. Of a base: ahead, and left for turning to the left."""

AT_REST = 0.1
"""An axis this close to its rest is at rest; drivers of gamepads leave out half of it already."""

LARGEST = 1.001
"""No axis of a gamepad is beyond 1; rounding apart."""

Index = Annotated[int, Field(ge=0, le=63)]

BUTTONS = (
    "deadman",
    "drive",
    "next_arm",
    "estop",
    "record_start",
    "record_success",
    "record_failure",
    "record_discard",
)
RECORDINGS = BUTTONS[4:]


class Stick(Strict):
    """An axis of the message."""

    axis: Index
    sign: Literal[1, -1] = 1
    rest: FiniteFloat = Field(default=0.0, ge=-1.0, le=1.0)
    """Its value when nobody touches it; 1 for the triggers of joy_node."""


class Gamepad(Strict):
    """What the axes and buttons of one kind of gamepad do."""

    source: Annotated[str, Field(min_length=1)]
    deadman: Index
    """Held while the robot is to move."""
    drive: Index | None = None
    """Held while the sticks drive the base of a robot that has arms as well."""
    next_arm: Index | None = None
    """Pressed to go on to the next arm."""
    estop: Index | None = None
    """Pressed to stop the robot: the stop latches until somebody resets it."""
    record_start: Index | None = None
    record_success: Index | None = None
    record_failure: Index | None = None
    record_discard: Index | None = None
    """Pressed to start an episode, to end it as a success or as a failure, and to discard it."""
    sticks: dict[Channel, Stick] = {}
    pairs: dict[Channel, tuple[Index, Index]] = {}
    """Two buttons, for more and for less, where there is no stick."""


def read_gamepad(path: Path) -> Gamepad:
    """Read and check the file of a gamepad.

    Raises:
        YamlFileError: with file, line and key of everything that is wrong.
    """
    return read_yaml(path).check(Gamepad, GAMEPAD)


def describe_gamepad(gamepad: Gamepad, origin: str) -> list[str]:
    """The map in lines for a person."""
    lines = [f"{origin}: a map of a gamepad is valid", ""]
    for name in BUTTONS:
        index = getattr(gamepad, name)
        lines.append(f"{name:<14} {'-' if index is None else f'button {index}'}")
    for channel in CHANNELS:
        stick, pair = gamepad.sticks.get(channel), gamepad.pairs.get(channel)
        ways = [f"axis {stick.axis}, {stick.sign:+d}, at rest {stick.rest:g}"] if stick else []
        ways += [f"button {pair[0]} for more, {pair[1]} for less"] if pair else []
        lines.append(f"{channel:<14} {'; '.join(ways) or '-'}")
    return lines


class GamepadReader:
    """Turns the messages of one gamepad into what its holder wants."""

    def __init__(self, embodiment: Embodiment, gamepad: Gamepad) -> None:
        """For a robot whose ``teleop`` section says how fast it moves."""
        self._speeds, self._pad = embodiment.teleop, gamepad
        kinds = {group.name: group.teleop_kind for group in embodiment.groups}
        self._arms = [name for name, kind in kinds.items() if kind == "tool"]
        self._gripper_of = {
            group.side: group.name for group in embodiment.groups if kinds[group.name] == "gripper"
        }
        self._side_of = {group.name: group.side for group in embodiment.groups}
        self._has_base = embodiment.base is not None
        self._arm = 0
        self._rested: set[str] = set()
        self._was: dict[str, bool] = {}

    def read(self, axes: Sequence[float], buttons: Sequence[int]) -> Hands:
        """What one message says.

        Raises:
            ObservationError: an axis or button is missing, not finite or beyond 1.
        """
        raw = np.asarray(axes, dtype=float)
        if not (np.abs(raw) <= LARGEST).all():  # NaN is not, either
            raise ObservationError(f"an axis is beyond 1: {raw.tolist()}")
        pressed = self._button(buttons, self._pad.deadman)
        if pressed and not self._was.get("deadman", False):
            self._rested.clear()  # what is not at rest now waits until it was
        self._was["deadman"] = pressed
        values, held = {}, []
        for channel in CHANNELS:
            value = self._value(channel, raw, buttons)
            if value == 0.0:
                self._rested.add(channel)
            elif pressed and channel not in self._rested:
                held.append(channel)
            values[channel] = value if channel in self._rested else 0.0
        self._next_arm(buttons)
        said = f"let go of {', '.join(held)} once, then it is used" if held else ""
        return Hands(pressed=pressed, wish=self._wish(values, buttons), message=said)

    def stop_pressed(self, buttons: Sequence[int]) -> bool | None:
        """Whether the button of the emergency stop is pressed; None where there is none.

        Raises:
            ObservationError: the message does not have that button.
        """
        return None if self._pad.estop is None else self._button(buttons, self._pad.estop)

    def recordings_pressed(self, buttons: Sequence[int]) -> list[str]:
        """Which of ``RECORDINGS`` have been pressed since the message before.

        Raises:
            ObservationError: the message does not have one of the buttons.
        """
        return [
            name for name in RECORDINGS if self._newly(name, buttons, getattr(self._pad, name))
        ]

    def _newly(self, name: str, buttons: Sequence[int], index: int | None) -> bool:
        """Whether a button is pressed that the message before had released."""
        pressed = self._button(buttons, index)
        newly = pressed and not self._was.get(name, True)
        self._was[name] = pressed
        return newly

    def _wish(self, values: dict[str, float], buttons: Sequence[int]) -> Wish:
        speeds = self._speeds
        if self._has_base and (not self._arms or self._button(buttons, self._pad.drive)):
            base = (values["ahead"] * speeds.base_m_s, values["left"] * speeds.base_rad_s)
            return Wish(base=base)
        if not self._arms:
            return Wish()
        arm = self._arms[self._arm]
        move = np.array([values[c] for c in CHANNELS[:3]]) * speeds.tool_m_s
        turn = np.array([values[c] for c in CHANNELS[3:6]]) * speeds.tool_rad_s
        gripper = self._gripper_of.get(self._side_of[arm])
        opening = {gripper: values["open"] * speeds.gripper_share_s} if gripper else {}
        return Wish(tool_velocities={arm: np.concatenate([move, turn])}, gripper_speeds=opening)

    def _value(self, channel: Channel, axes: np.ndarray, buttons: Sequence[int]) -> float:
        """From -1 to 1; exactly 0 at rest."""
        value = 0.0
        if stick := self._pad.sticks.get(channel):
            if stick.axis >= len(axes):
                raise ObservationError(f"axis {stick.axis} ({channel}) of {len(axes)} is missing")
            value = stick.sign * (axes[stick.axis] - stick.rest) / (1.0 + abs(stick.rest))
            value = np.sign(value) * max(abs(value) - AT_REST, 0.0) / (1.0 - AT_REST)
        if pair := self._pad.pairs.get(channel):
            value += self._button(buttons, pair[0]) - self._button(buttons, pair[1])
        return float(np.clip(value, -1.0, 1.0))

    def _button(self, buttons: Sequence[int], index: int | None) -> bool:
        if index is None:
            return False
        if index >= len(buttons):
            raise ObservationError(f"button {index} of {len(buttons)} is missing")
        return bool(buttons[index])

    def _next_arm(self, buttons: Sequence[int]) -> None:
        if self._newly("next_arm", buttons, self._pad.next_arm) and self._arms:
            self._arm = (self._arm + 1) % len(self._arms)
            self._rested.clear()
