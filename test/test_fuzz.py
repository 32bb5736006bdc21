"""A moment of `make fuzz`, always the same one."""

from fuzzed_control import fuzz

STEPS = 6_000


def test_when_control_loops_are_given_anything_expect_no_wrong_command():
    commands, refused = fuzz(STEPS)
    assert commands > STEPS / 4 and refused > 0
