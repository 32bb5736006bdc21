"""Whether a person's hands have the robot: dead-man, reference, hand-over, release.

    UNARMED   the dead-man must be seen released first: it may be stuck, or was never let go
    READY     released; nothing is published, nothing moves
    TAKING    pressed; the target stays where the command is until control_node has handed over
    DRIVING   the target follows the hands

Pressing in AUTONOMY takes over by the first target; pressing in HOLD asks control_node to engage,
once. Whatever ends it, the dead-man must be let go and pressed again. Time is an argument.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from ..execution import Sample
from ..modes import Mode, split_mode
from .mover import Mover
from .wish import Hands

ASK_AFTER_S = 0.06
"""Time from the first target to the request to engage, s: control_node refuses while teleop is
silent."""

TAKE_S = 1.0
"""control_node hands over within this time, s, or the person has to press again."""

STOPS = 2
"""Targets that move nothing after a release, before the silence that ends TELEOP."""


REFUSED = "refused"


class Phase(Enum):
    """How far a person's hands are."""

    UNARMED = "let go of the dead-man first"
    READY = "ready"
    TAKING = "taking over"
    DRIVING = "driving"


class Ask(Enum):
    """A service of control_node to call, once."""

    ENGAGE = "engage_teleop"
    HOLD = "hold"
    HAND_BACK = "engage_policy"


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """What to do in this period.

    Attributes:
        target: to publish; None for silence.
        ask: of control_node.
        message: what a person should know, each time that it changes; "" for nothing new.
    """

    target: Sample | None = None
    ask: Ask | None = None
    message: str = ""


class Session:
    """One device and one robot."""

    def __init__(self, mover: Mover) -> None:
        self.phase = Phase.UNARMED
        self._mover, self._stops, self._aligning = mover, 0, False
        self._pressed_s = self._last_s = 0.0
        self._mode_pressed, self._asked = "", False
        self._refusal, self._said = "", ""
        self._hand_back = self._let_go = False

    @property
    def engaged(self) -> bool:
        """Whether targets are published for a person's hands."""
        return self.phase in (Phase.TAKING, Phase.DRIVING)

    def refuse(self, reason: str) -> None:
        """control_node refused to engage."""
        self._refusal = reason

    def align(self) -> None:
        """Move the robot slowly to where an absolute leader is; ends by itself."""
        self._aligning, self.phase = True, Phase.READY

    def let_go(self) -> None:
        """A person asks to end it, whatever the device says."""
        self._let_go = self.engaged

    def hand_back(self) -> bool:
        """Give the robot back to the policy; False where the hands do not have it."""
        self._hand_back = self.phase is Phase.DRIVING
        return self._hand_back

    def update(
        self,
        hands: Hands | None,
        mode_text: str,
        command: Sample | None,
        problems: Sequence[str],
        now_s: float,
    ) -> Step:
        """One period.

        Args:
            hands: what the device says; None while it is silent.
            mode_text: the newest text of control/mode; "" before the first.
            command: the newest control/command, [D] each; None where it is too old.
            problems: what forbids to move, in words.
            now_s: steady time, s.
        """
        dt_s, self._last_s = now_s - self._last_s, now_s
        mode = split_mode(mode_text)[0]
        pressed = hands is not None and (hands.pressed or self._aligning)
        problems = list(problems)
        if command is None:
            problems.append("control/command is silent: is control_node active?")
        if self.engaged:
            end = self._why_end(hands, pressed, mode, problems, now_s)
            self._hand_back = self._hand_back and not end
            if end or self._hand_back:
                return self._end(end or "handed back to the policy", hands, mode)
            return self._go_on(hands, mode_text, mode, command, now_s, dt_s)
        if self._stops and not (pressed and self.phase is Phase.READY):
            self._stops -= 1
            return Step(target=self._mover.still())
        if hands is None or not pressed:
            released = hands is not None
            self.phase = Phase.READY if released else Phase.UNARMED
            if hands is None:
                self._aligning = False
            self._said = ""  # the next press says its reasons again
            return Step()
        if self.phase is Phase.UNARMED:
            # Whoever was refused goes on reading the reason, and not this.
            refused = self._said.startswith(REFUSED)
            return Step() if refused else self._say(Phase.UNARMED.value)
        return self._press(hands, mode_text, mode, command, problems, now_s)

    def _press(self, hands, mode_text, mode, command, problems, now_s) -> Step:
        # TELEOP is what a release has not ended yet, or somebody else's.
        if mode not in (Mode.HOLD.value, Mode.AUTONOMY.value):
            problems = [*problems, f"control_node is in {mode or 'no mode yet'}"]
        if command is not None and not self._aligning:
            off = self._mover.differences(command.positions_D, hands.wish)
            problems += [*off, "call teleop/align"] if off else []
        if problems:
            self.phase, self._aligning = Phase.UNARMED, False
            return self._say(f"{REFUSED}: {'; '.join(problems)}")
        self.phase, self._pressed_s, self._mode_pressed = Phase.TAKING, now_s, mode_text
        self._asked, self._refusal, self._stops = False, "", 0
        return Step(target=self._mover.take(command, hands.wish), message="")

    def _go_on(self, hands, mode_text, mode, command, now_s, dt_s) -> Step:
        if self.phase is Phase.TAKING and mode != Mode.TELEOP.value:
            ask = None
            due = now_s - self._pressed_s >= ASK_AFTER_S
            # Only in the very HOLD in which it was pressed: not after somebody's newer stop.
            if due and not self._asked and mode_text == self._mode_pressed:
                if mode == Mode.HOLD.value:
                    ask, self._asked = Ask.ENGAGE, True
            return Step(target=self._mover.take(command, hands.wish), ask=ask)
        if self.phase is Phase.TAKING:
            self.phase = Phase.DRIVING
            target = self._mover.take(command, hands.wish)
            return Step(target=target, message=self._say("you have the robot").message)
        if self._aligning:
            target, agree = self._mover.align(hands.wish, command.positions_D, dt_s)
            if agree:
                return self._end("aligned: engage now", hands, mode)
            return Step(target=target)
        moved = self._mover.step(hands.wish, command.positions_D, dt_s)
        if moved.fault:
            return self._end(moved.fault, hands, mode)
        message = "; ".join(filter(None, [moved.message, hands.message])) or "you have the robot"
        return Step(target=moved.target, message=self._say(message).message)

    def _why_end(self, hands, pressed, mode, problems, now_s) -> str:
        if problems:
            return "; ".join(problems)
        if self._let_go:
            return "released"
        if hands is None:
            return "the device fell silent"
        if not pressed:
            return "released"
        if self.phase is Phase.DRIVING:
            return "" if mode == Mode.TELEOP.value else f"control_node is in {mode}"
        if mode in (Mode.ESTOP.value, Mode.START.value):
            return f"control_node is in {mode}"
        if mode == Mode.HOLD.value and not self._mode_pressed.startswith(Mode.HOLD.value):
            return "control_node holds"
        if self._refusal:
            return f"control_node refuses: {self._refusal}"
        late = now_s - self._pressed_s > TAKE_S
        return f"control_node did not hand over within {TAKE_S:g} s" if late else ""

    def _end(self, why: str, hands: Hands | None, mode: str) -> Step:
        """Let go. Silence follows, after targets that move nothing where TELEOP goes on."""
        had = self.phase is Phase.DRIVING and mode == Mode.TELEOP.value
        released = hands is not None and not hands.pressed
        self.phase = Phase.READY if released else Phase.UNARMED
        ask = (Ask.HAND_BACK if self._hand_back else Ask.HOLD) if had else None
        self._stops = STOPS - 1 if ask is Ask.HOLD else 0
        self._aligning = self._hand_back = self._let_go = False
        target = self._mover.still() if ask is Ask.HOLD else None
        return Step(target=target, ask=ask, message=self._say(f"let go: {why}").message)

    def _say(self, message: str) -> Step:
        new, self._said = message != self._said, message
        return Step(message=message if new else "")
