"""What a gripper's servo is sent: ALOHA's own numbers, and never anything beyond its ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_core.embodiment.gripper_drive import pwm_for
from qwen_vla_core.embodiment.gripper_presets import GRIPPER_PRESETS
from robots import robot, two_arms_text


@given(st.floats(-1.0, 1.0))
def test_when_the_finger_error_is_anything_expect_bounded_pwm_towards_the_target(error_m):
    pwm = pwm_for(error_m, gain_per_m=300.0, pwm_limit=350.0)
    assert abs(pwm) <= 350.0 and pwm * error_m >= 0.0


@pytest.mark.parametrize("ends", GRIPPER_PRESETS.values(), ids=GRIPPER_PRESETS)
@given(action=st.floats(0.0, 1.0))
def test_when_a_model_names_an_opening_expect_alohas_motor_angle_for_it(ends, action):
    # JOINT_UNNORMALIZE(a) = a * (open - close) + close
    aloha_rad = action * (ends.motor_open_rad - ends.motor_closed_rad) + ends.motor_closed_rad
    finger_m = ends.finger_closed_m + action * (ends.finger_open_m - ends.finger_closed_m)
    assert ends.motor_rad(finger_m) == pytest.approx(aloha_rad, abs=1e-9)


@pytest.mark.parametrize("ends", GRIPPER_PRESETS.values(), ids=GRIPPER_PRESETS)
@given(finger_m=st.floats(-1e9, 1e9))
def test_when_a_finger_is_sent_anywhere_expect_the_motor_between_its_ends(ends, finger_m):
    assert ends.motor_closed_rad <= ends.motor_rad(finger_m) <= ends.motor_open_rad


def test_when_a_preset_is_named_expect_all_four_ends_of_it():
    assert robot(two_arms_text()).groups[1].gripper_ends == GRIPPER_PRESETS["aloha_original"]


def test_when_an_end_was_calibrated_expect_it_to_rule_over_the_preset():
    text = two_arms_text().replace("convention: gripper}", "convention: gripper, open: 0.0575}", 1)
    text = text.replace("preset: aloha_original", "preset: aloha_original, motor_open_rad: 1.5", 1)
    left, right = (robot(text).groups[k].gripper_ends for k in (1, 3))
    assert (left.finger_open_m, left.motor_open_rad) == (0.0575, 1.5)
    assert (left.finger_closed_m, left.motor_closed_rad) == (0.01844, -0.6213)
    assert right == GRIPPER_PRESETS["aloha_original"]


def test_when_there_is_no_preset_expect_the_four_ends_to_be_given():
    text = two_arms_text().replace("preset: aloha_original", "motor_closed_rad: 0.1")
    text = text.replace("convention: gripper}", "convention: gripper, closed: 0.02, open: 0.057}")
    given = text.replace("motor_closed_rad: 0.1", "motor_closed_rad: 0.1, motor_open_rad: 1.6")
    ends = robot(given).groups[1].gripper_ends
    assert (ends.motor_closed_rad, ends.motor_open_rad) == (0.1, 1.6)
    with pytest.raises(Exception, match="motor_open_rad"):
        robot(text)
