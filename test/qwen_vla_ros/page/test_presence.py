"""Pages that confirm, hold the keys, or guard autonomy; time is an argument."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_ros.page.presence import FORGOTTEN_S, GUARD_S, LATE_S, Presence

SILENCE_S = 0.2


class Shown(Presence):
    """Its pages have received what was shown just now, unless they say otherwise."""

    def hands(self, page, pressed, now_s, number=None):
        number = self._shown_at(now_s) if number is None else number
        return super().hands(page, pressed, number, now_s)

    def seen(self, page, now_s):
        super().seen(page, self._shown_at(now_s))

    def _shown_at(self, now_s):
        number = 1_000_000 + int(now_s * 1000)
        self.shown(number, now_s)
        return number


def with_pages(*pages):
    presence = Shown(silence_s=SILENCE_S)
    for page in pages:
        presence.join(page, 0.0)
    return presence


def test_when_a_dead_man_is_pressed_from_the_start_expect_it_to_count_after_a_release():
    presence = with_pages(1)
    assert presence.take_keys(1, 0.0) == ""
    assert presence.hands(1, True, 0.1) is False
    assert presence.hands(1, False, 0.2) is False
    assert presence.hands(1, True, 0.3) is True


def test_when_a_frozen_page_goes_on_expect_it_to_have_let_go_and_to_need_a_release():
    presence = with_pages(1)
    presence.take_keys(1, 0.0)
    presence.hands(1, False, 0.0)
    assert presence.hands(1, True, 0.1)
    assert not presence.tick(0.29).release
    assert presence.tick(0.31).release and not presence.tick(0.35).release
    assert presence.hands(1, True, 0.4) is False
    assert presence.hands(1, False, 0.45) is False and presence.hands(1, True, 0.5) is True


def test_when_keys_come_late_but_before_anybody_looked_expect_the_silence_to_count():
    presence = with_pages(1)
    presence.take_keys(1, 0.0)
    presence.hands(1, False, 0.0)
    presence.hands(1, True, 0.1)
    assert presence.hands(1, True, 0.9) is False


def test_when_a_person_sees_only_what_is_long_over_expect_keys_not_to_count_until_released():
    presence = with_pages(1)
    presence.take_keys(1, 0.0)
    presence.shown(5, 0.0)
    assert presence.hands(1, False, 0.1, number=5) is False
    said = [presence.hands(1, True, tenth / 10, number=5) for tenth in range(2, 15)]
    assert said == [True] * 9 + [False] * 4 and 0.2 + 9 / 10 > LATE_S
    presence.shown(6, 1.5)
    assert presence.hands(1, True, 1.5, number=6) is False
    assert presence.hands(1, False, 1.6, number=6) is False
    assert presence.hands(1, True, 1.7, number=6) is True
    assert presence.hands(1, True, 1.8, number=99) is False  # never shown


def test_when_the_page_with_the_keys_is_closed_or_forgets_them_expect_them_to_be_given_back():
    presence = with_pages(1, 2)
    presence.take_keys(1, 0.0)
    assert "another page" in presence.take_keys(2, 0.0)
    assert presence.hands(2, True, 0.1) is None
    left = presence.leave(1)
    assert left.release and left.end_keys and presence.take_keys(2, 1.0) == ""
    forgotten = presence.tick(1.0 + FORGOTTEN_S + 0.1)
    assert forgotten.end_keys and presence.holder is None
    assert not presence.tick(60.0).end_keys


def test_when_a_guarding_page_is_not_seen_expect_a_hold_and_after_it_was_seen_another():
    presence = with_pages(1, 2)
    presence.guard(1, True, 0.0)
    for tenth in range(15):
        presence.seen(1, tenth / 10)
        assert not presence.tick(tenth / 10).hold
    late_s = 1.4 + GUARD_S + 0.1
    assert "not seen" in presence.tick(late_s).hold and not presence.tick(late_s + 0.1).hold
    presence.seen(1, 20.0)
    assert not presence.tick(20.1).hold and presence.tick(20.1 + GUARD_S).hold


def test_when_a_line_delays_all_alike_expect_a_guarding_page_to_count_as_not_seen():
    presence = Presence(silence_s=SILENCE_S)
    presence.join(1, 0.0)
    presence.guard(1, True, 0.0)
    held = []
    for tenth in range(60):
        now_s = tenth / 10
        presence.shown(tenth, now_s)
        presence.seen(1, tenth - 25)  # each is confirmed, 2.5 s later
        held.append(bool(presence.tick(now_s).hold))
        assert bool(presence.late(1, now_s)) == (now_s > GUARD_S)
    assert not any(held[:20]) and held[21]
    presence.seen(1, 59)
    assert presence.late(1, 6.0) == "" and "press again" in presence.late(2, 6.0)


def test_when_a_guarding_page_is_hidden_at_rest_expect_each_motion_that_begins_to_be_held():
    presence = with_pages(1)
    presence.guard(1, True, 0.0)
    assert not presence.tick(5.0, moves=False).hold
    assert "not seen" in presence.tick(5.1).hold and not presence.tick(5.2).hold
    assert not presence.tick(5.3, moves=False).hold and presence.tick(5.4).hold


def test_when_a_guarding_page_is_closed_expect_a_hold_and_none_of_a_page_that_guards_nothing():
    presence = with_pages(1, 2)
    presence.guard(1, True, 0.0)
    presence.leave(2)
    assert not presence.tick(0.1).hold
    presence.leave(1)
    assert "gone" in presence.tick(0.2).hold
    again = with_pages(1)
    again.guard(1, True, 0.0)
    again.guard(1, False, 0.1)
    assert not again.tick(50.0).hold
    again.leave(1)
    assert not again.tick(50.1).hold


def test_when_a_guarding_page_is_closed_at_rest_expect_the_next_motion_unguarded():
    presence = with_pages(1)
    presence.guard(1, True, 0.0)
    presence.leave(1)
    assert not presence.tick(0.1, moves=False).hold and not presence.tick(0.2).hold


@pytest.mark.parametrize("gone", [True, False])
def test_when_the_robot_moves_on_after_a_hold_was_asked_for_expect_it_asked_for_again(gone):
    presence = with_pages(1)
    presence.guard(1, True, 0.0)
    presence.seen(1, 5.0)
    if gone:
        presence.leave(1)
    holds = [presence.tick(8.0 + eighth / 8) for eighth in range(20)]
    asked = [eighth for eighth, one in enumerate(holds) if one.hold]
    assert asked == [0, 8, 16]  # AGAIN_S
    assert [holds[eighth].again for eighth in asked] == [False, True, True]
    assert not presence.tick(20.0, moves=False).hold


STEP = st.tuples(
    st.floats(0.0, 0.5), st.sampled_from(["press", "release", "tick"]), st.sampled_from([1, 2])
)


@given(st.lists(STEP, max_size=60))
def test_when_anything_is_said_in_any_order_expect_pressed_only_from_a_fresh_press_of_one_page(
    steps,
):
    presence, now_s = with_pages(1, 2), 0.0
    presence.take_keys(1, now_s)
    released_since, said_s = False, now_s
    for dt_s, what, page in steps:
        now_s += dt_s
        if what == "tick":
            if presence.tick(now_s).end_keys:
                return
            continue
        pressed = presence.hands(page, what == "press", now_s)
        if page == 2:
            assert pressed is None
            continue
        if now_s - said_s > SILENCE_S:
            released_since = False
        released_since, said_s = released_since or what == "release", now_s
        assert pressed == (what == "press" and released_since)
