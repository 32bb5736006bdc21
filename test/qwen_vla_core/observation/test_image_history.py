"""Past images are the nearest in time, oldest first; before the first stands the first."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_core.observation import ImageHistory

TOLERANCE_S = 0.5


def image(number):
    return np.full((1, 1, 3), number)


def seen(history):
    return [int(image[0, 0, 0]) for image in history.before()]


def history_of(back_s, stamps_s):
    """A history whose images show which one they are."""
    history = ImageHistory(back_s, TOLERANCE_S)
    for number, stamp_s in enumerate(stamps_s):
        history.add(stamp_s, image(number))
    return history


def test_when_a_camera_runs_expect_the_images_of_the_wanted_times_oldest_first():
    history = history_of([0.2, 0.4], 100.0 + np.arange(31) / 30)
    assert seen(history) == [30 - 12, 30 - 6]


def test_when_a_camera_has_just_started_expect_its_first_image_instead():
    assert seen(history_of([0.2, 0.4], [5.0])) == [0, 0]
    assert seen(history_of([0.2, 0.4], [5.0, 5.1, 5.2])) == [0, 0]
    assert seen(history_of([0.1, 0.2], [5.0, 5.1, 5.2, 5.3])) == [1, 2]


def test_when_images_were_lost_expect_the_nearest_but_none_of_another_situation():
    assert seen(history_of([1.0], [10.0, 10.8, 12.0])) == [1]  # 0.2 s too old
    assert seen(history_of([1.0], [10.0, 10.4, 12.0])) == [2]  # 0.6 s would be too old


def test_when_time_went_back_expect_nothing_of_what_was_before():
    history = history_of([0.2], [10.0, 10.2])
    history.clear()
    history.add(3.0, image(7))
    assert seen(history) == [7]


@given(
    st.lists(st.floats(0.001, 1.0), min_size=1, max_size=60),
    st.lists(st.floats(0.01, 3.0), min_size=1, max_size=3, unique=True).map(sorted),
)
def test_when_images_come_at_any_times_expect_what_a_search_of_all_of_them_finds(gaps_s, back_s):
    stamps_s = 100.0 + np.cumsum(gaps_s)
    expected = []
    for wanted_s in stamps_s[-1] - np.array(back_s[::-1]):
        usable = np.flatnonzero(stamps_s >= wanted_s - TOLERANCE_S)
        expected.append(usable[np.abs(stamps_s[usable] - wanted_s).argmin()])
    assert seen(history_of(back_s, stamps_s)) == expected
