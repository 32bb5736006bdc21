"""Keys of a terminal as the axes and buttons of a gamepad.

A terminal tells that a key was pressed, and again while it repeats, but never that it was let go:
so a key counts for a short time, and the dead-man, which the space bar presses and lets go, ends
when no key was pressed for a while.
"""

MOTION_S = 0.15
"""How long one key press moves the robot, s; terminals repeat a held key every 0.03 to 0.05 s."""

MOST_AT_ONCE = 8
"""More keys than this at once were typed long before: two held ones repeat twice in a period of
0.04 s."""

FORGOTTEN_S = 5.0
"""Time without any key after which the dead-man counts as released, s."""

AXES = {
    "w": (0, 1.0),
    "s": (0, -1.0),
    "a": (1, 1.0),
    "d": (1, -1.0),
    "r": (2, 1.0),
    "f": (2, -1.0),
    "u": (3, -1.0),
    "o": (3, 1.0),
    "i": (4, -1.0),
    "k": (4, 1.0),
    "j": (5, 1.0),
    "l": (5, -1.0),
    "c": (6, -1.0),
    "v": (6, 1.0),
}
"""Key -> axis in config/teleop/keyboard.yaml and its value."""

DRIVE, DEADMAN, ESTOP = "b", " ", "e"
MOMENTARY = ("n", ESTOP, "1", "2", "3", "4")
"""Keys that are buttons while they count: from the third on in config/teleop/keyboard.yaml."""
RELEASED = [0.0] * 7, [0] * 8
"""Axes and buttons while no key counts."""

END = ("q", "\x1b", "\x03", "\x04")
"""q, Esc, Ctrl-C, Ctrl-D: let go, and end."""

HELP = """\
space         take the robot; again: let go     q or Ctrl-C   let go, and end
w s  a d  r f   tool ahead, back; left, right; up, down  (base: w s a d)
i k  j l  u o   tool looks up, down; turns left, right; rolls
v c           gripper opens, closes
b             sticks to the base, and back to the arm      n   next arm
e             emergency stop
1 2 3 4       recording: start; end it as a success, as a failure; discard it
Any other key lets go. So do 5 s without a key."""


class Keys:
    """The keys that count now. Time is an argument: steady, s."""

    def __init__(self) -> None:
        self.pressed = self.driving = self.ended = False
        self._until_s: dict[str, float] = {}
        self._last_s = 0.0

    def type(self, keys: str, now_s: float) -> None:
        """All keys that came at once, in their order.

        What was pasted, or typed while the line stood still, takes no robot and moves none: the
        dead-man counts alone, and of many keys only what stops.
        """
        if len(keys) > MOST_AT_ONCE:
            self.pressed = False
            keys = "".join(key for key in keys if key in (*END, ESTOP))
        had = self.pressed
        for key in keys:
            self.press(key, now_s)
        self.pressed = self.pressed and (had or len(keys) == 1)

    def press(self, key: str, now_s: float) -> None:
        """A key was pressed, or repeats itself; after the end none counts."""
        if self.ended:
            return
        self._last_s = now_s
        if key in END:
            self.pressed, self.ended = False, True
        elif key == DEADMAN:
            self.pressed = not self.pressed
            self._until_s.clear()
        elif key == DRIVE:
            self.driving = not self.driving
            self._until_s.clear()
        elif key in AXES or key in MOMENTARY:
            self._until_s[key] = now_s + MOTION_S
            self.pressed = self.pressed and key != ESTOP
        else:
            self.pressed = False

    def state(self, now_s: float) -> tuple[list[float], list[int]]:
        """Axes [7] and buttons [8] of config/teleop/keyboard.yaml."""
        if now_s - self._last_s > FORGOTTEN_S:
            self.pressed = False
        axes = list(RELEASED[0])
        held = [key for key, until_s in self._until_s.items() if now_s <= until_s]
        for key in held if self.pressed else ():
            if key in AXES:
                axis, value = AXES[key]
                axes[axis] += value
        momentary = [int(key in held) for key in MOMENTARY]
        return axes, [int(self.pressed), int(self.driving), *momentary]
