"""Where a person took over: those steps count more, and what went wrong before is left out."""

import numpy as np
import pytest

from qwen_vla_data.takeovers import driven, taken_over, went_wrong
from waved_episodes import codec_of, teleoperated

WIDOWX = codec_of("widowx")
STEP_S = WIDOWX.embodiment.action_step_s  # 0.2 s: five steps before a takeover are left out


def episode(modes):
    """One step for each letter: Autonomy, Teleoperation or Hold."""
    names = {"A": "AUTONOMY", "T": "TELEOP", "H": "HOLD"}
    return teleoperated(
        WIDOWX,
        len(modes),
        modes_T=np.array([names[letter] for letter in modes]),
        interventions_T=np.array([letter == "T" for letter in modes]),
    )


@pytest.mark.parametrize(
    ("modes", "person", "wrong"),
    [
        ("TTTTTTTT", "--------", "--------"),  # teleoperated from the start: nothing was wrong
        ("AAAAAAAA", "--------", "--------"),
        ("AAAAAAAATTT", "--------TTT", "---WWWWW---"),
        ("AATTAAAAAAATT", "--TT-------TT", "WW----WWWWW--"),
        ("TTAAATTT", "-----TTT", "--WWW---"),
        ("AAAAAAHHTT", "--------TT", "----------"),  # it was on hold: the person did not interrupt
    ],
)
def test_when_a_person_takes_over_expect_their_steps_and_the_second_before(modes, person, wrong):
    one = episode(modes)
    assert "".join("T" if x else "-" for x in taken_over(one)) == person
    assert "".join("W" if x else "-" for x in went_wrong(one, STEP_S)) == wrong


def test_when_a_robot_is_held_expect_those_steps_to_be_nobodys():
    assert driven(episode("HHTTHAAHH")).tolist() == [c in "TA" for c in "HHTTHAAHH"]


def test_when_nobody_recorded_modes_expect_nothing_taken_over():
    one = teleoperated(WIDOWX, 6, modes_T=None, interventions_T=None)
    assert driven(one).all()
    assert not taken_over(one).any() and not went_wrong(one, STEP_S).any()
