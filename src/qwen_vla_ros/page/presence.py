"""Which pages are open, which of them holds the keys, and which guards autonomy.

A page confirms each state that it has drawn where a person can see it; one that is closed, hidden
or frozen confirms nothing. Time is an argument: steady, s.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from math import inf

GUARD_S = 2.0
"""A page that guards autonomy and confirms nothing newer than this holds the robot, s: 20 states.
A wireless link or a browser that loads something may pause for half of it. Nor does such a page
begin a motion: what a person asked for when a line stalled comes when it is back."""

AGAIN_S = 1.0
"""A hold is asked for again after this time while the robot moves on, s: a request may be lost."""

FORGOTTEN_S = 5.0
"""A page that holds the keys and is silent for this time has given them back, s; as long as a
terminal's (qwen_vla_core.teleop.keys)."""


LATE_S = 1.0
"""Keys of a person who saw nothing newer than this do not count, s: on a line that delays all
alike nothing is ever silent, and a release would come as late as everything else."""

SHOWN = 64
"""States whose time is remembered: six seconds."""


@dataclass(eq=False)
class _Page:
    seen_s: float
    """When the newest state that it confirmed was given to it."""
    guards: bool = False


@dataclass(eq=False)
class _Keys:
    page: int
    said_s: float
    pressed: bool = False
    must_release: bool = True
    """A dead-man counts only after it was seen released."""


@dataclass(frozen=True, kw_only=True)
class Consequence:
    """What has to be done now.

    Attributes:
        release: the keys are let go; said once.
        end_keys: nobody holds them any more.
        hold: why the robot is to be held; "" for not.
        again: whether the same was asked for before.
        message: what became of the keys, for people; "" for nothing.
    """

    release: bool = False
    end_keys: bool = False
    hold: str = ""
    again: bool = False
    message: str = ""


@dataclass(eq=False)
class Presence:
    """All pages of one server.

    Attributes:
        silence_s: keys that are silent for longer than this are released, s.
    """

    silence_s: float
    _pages: dict[int, _Page] = field(default_factory=dict)
    _keys: _Keys | None = None
    _guard_gone: bool = False
    """A page that guarded this motion is gone."""
    _asked_s: float | None = None
    """When this motion was last asked to be held; None for not."""
    _shown: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=SHOWN))

    def join(self, page: int, now_s: float) -> None:
        """A page was opened."""
        self._pages[page] = _Page(now_s)

    def leave(self, page: int) -> Consequence:
        """A page is gone: closed, or its connection lost. `tick` says whether that is a hold."""
        left = self._pages.pop(page, None)
        self._guard_gone |= left is not None and left.guards
        had_keys = self._keys is not None and self._keys.page == page
        if had_keys:
            self._keys = None
        return Consequence(
            release=had_keys,
            end_keys=had_keys,
            message="keys: the page that held them is gone" if had_keys else "",
        )

    def seen(self, page: int, number: int) -> None:
        """A person can see this state on this page."""
        if (one := self._pages.get(page)) is not None:
            one.seen_s = max(one.seen_s, dict(self._shown).get(number, -inf))

    def late(self, page: int, now_s: float) -> str:
        """Why a page may not begin a motion; "" where its person sees what happens now."""
        one = self._pages.get(page)
        if one is not None and now_s - one.seen_s <= GUARD_S:
            return ""
        return f"it came late, from a page that saw nothing newer than {GUARD_S:g} s: press again"

    def shown(self, number: int, now_s: float) -> None:
        """A state was given to the pages."""
        self._shown.append((number, now_s))

    def guard(self, page: int, on: bool, now_s: float) -> None:
        """A page guards autonomy from now on, or no longer."""
        self._pages[page].guards, self._pages[page].seen_s = on, now_s

    @property
    def count(self) -> int:
        """How many pages are open."""
        return len(self._pages)

    @property
    def guarded(self) -> bool:
        """Whether any page guards autonomy."""
        return any(page.guards for page in self._pages.values())

    @property
    def holder(self) -> int | None:
        """The page that holds the keys."""
        return None if self._keys is None else self._keys.page

    def take_keys(self, page: int, now_s: float) -> str:
        """A page asks for the keys; "" where it has them now, else why not."""
        if self.holder not in (None, page):
            return "another page holds the keys: give them back there first"
        self._keys = _Keys(page, now_s)
        return ""

    def give_keys(self, page: int) -> Consequence:
        """A page gives them back."""
        if self.holder != page:
            return Consequence()
        self._keys = None
        return Consequence(release=True, end_keys=True, message="keys: given back")

    def hands(self, page: int, pressed: bool, number: int, now_s: float) -> bool | None:
        """What the keys of a page say.

        Args:
            page: whose. pressed: the dead-man.
            number: of the newest state that the page has received.
            now_s: now.
        Returns:
            Whether the dead-man counts as pressed; None for a page that does not hold them.
        """
        keys = self._keys
        if keys is None or keys.page != page:
            return None
        self._fall_silent(now_s)
        keys.said_s = now_s
        late = not now_s - dict(self._shown).get(number, -inf) <= LATE_S
        keys.must_release = late or (keys.must_release and pressed)
        keys.pressed = pressed and not keys.must_release
        return keys.pressed

    def tick(self, now_s: float, moves: bool = True) -> Consequence:
        """What silence means; several times a second.

        Args:
            moves: whether the robot moves by itself. Each motion that nobody sees is held, also
                one that somebody else began when the page had long been hidden.
        """
        hold = self._hold(now_s, moves)
        if self._keys is None:
            return hold
        if not now_s - self._keys.said_s <= FORGOTTEN_S:
            self._keys = None
            return replace(hold, release=True, end_keys=True, message="keys: the page fell silent")
        released = self._fall_silent(now_s)
        message = "keys: let go, the page fell silent" if released else ""
        return replace(hold, release=released, message=message)

    def _hold(self, now_s: float, moves: bool) -> Consequence:
        """Whether this motion is to be held; asked for again until it is over or seen."""
        unseen = any(p.guards and not now_s - p.seen_s <= GUARD_S for p in self._pages.values())
        if not moves:
            self._guard_gone = False
        if not moves or not (unseen or self._guard_gone):
            self._asked_s = None
            return Consequence()
        again = self._asked_s is not None
        if again and now_s - self._asked_s < AGAIN_S:
            return Consequence()
        self._asked_s = now_s
        why = "is gone" if self._guard_gone else f"was not seen for {GUARD_S:g} s"
        return Consequence(hold=f"the page that guards autonomy {why}", again=again)

    def _fall_silent(self, now_s: float) -> bool:
        """Whether keys that were pressed are let go now, because nothing was said in time."""
        keys = self._keys
        if now_s - keys.said_s <= self.silence_s:
            return False
        was, keys.pressed, keys.must_release = keys.pressed, False, True
        return was
