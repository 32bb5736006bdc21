"""Every shipped robot, by itself: its prompt, its numbers, and a while of moving within limits.

A new file in embodiments/ is tested here without a change.
"""

from pathlib import Path

import pytest

from qwen_vla_core.embodiment import load_embodiment
from robot_checks import check_normalisation, check_prompt, check_scripted_policy

PATHS = sorted((Path(__file__).parents[1] / "embodiments").glob("*.yaml"))


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def embodiment(request):
    return load_embodiment(request.param)


def test_when_a_robot_is_described_expect_the_models_sentence_about_it(embodiment):
    check_prompt(embodiment)


def test_when_actions_and_states_are_normalised_and_back_expect_the_same_numbers(embodiment):
    check_normalisation(embodiment)


def test_when_a_scripted_policy_moves_the_robot_expect_every_command_within_its_limits(embodiment):
    check_scripted_policy(embodiment)
