"""Mistyped words."""

import pytest

from qwen_vla_core.did_you_mean import did_you_mean

KNOWN = ("velocity", "acceleration", "mobile_base", "widowx")


@pytest.mark.parametrize(
    ("word", "meant"),
    [("velocty", "velocity"), ("windowx", "widowx"), ("Mobile-Base", "mobile_base")],
)
def test_when_a_word_is_mistyped_expect_the_one_that_was_meant(word, meant):
    assert did_you_mean(word, KNOWN) == f"; did you mean {meant}?"


@pytest.mark.parametrize("word", ["temperature", "", "x"])
def test_when_nothing_is_near_expect_no_guess(word):
    assert did_you_mean(word, KNOWN) == ""


def test_when_nothing_is_known_expect_no_guess():
    assert did_you_mean("velocity", ()) == ""
