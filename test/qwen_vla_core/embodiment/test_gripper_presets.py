"""ALOHA's gripper constants are those of their sources; a driver that they do not fit is named.

Figures here are copied from the sources, not from the code: tonyzhaozh/aloha
aloha_scripts/constants.py, Interbotix/aloha aloha/constants.py, and horn_radius and arm_length of
interbotix_xsarm_control/config/{vx300s,aloha_vx300s}.yaml.
"""

from math import acos, cos, pi, sin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_core.embodiment.gripper_drive import GripperEnds
from qwen_vla_core.embodiment.gripper_presets import GRIPPER_PRESETS, ends_problem
from qwen_vla_core.embodiment.linkage import LINKAGES, models_that_report

PUBLISHED_LENGTHS_M = {
    "vx300s": (0.022, 0.036),
    "aloha_vx300s": (0.0275, 0.035),
    "wx250s": (0.014, 0.024),
    "aloha_wx250s": (0.020, 0.020),
}
MODELS = st.sampled_from(sorted(PUBLISHED_LENGTHS_M))


def reported_m(model, motor_rad):
    """The finger by the law of cosines, the other way round than xs_sdk computes it."""
    horn_m, rod_m = PUBLISHED_LENGTHS_M[model]
    # Horn, rod and rail make a triangle with the angle pi/2 - motor_rad at the motor.
    low, high = 0.0, horn_m + rod_m
    at_motor = pi / 2.0 - motor_rad
    for _ in range(60):
        middle = (low + high) / 2.0
        rod2 = horn_m**2 + middle**2 - 2.0 * horn_m * middle * cos(at_motor)
        shorter = rod2 < rod_m**2 or middle < horn_m * cos(at_motor)
        low, high = (middle, high) if shorter else (low, middle)
    return low


def report(model, motor_rad):
    return {"finger_m": reported_m(model, motor_rad), "motor_rad": motor_rad}


@pytest.mark.parametrize(
    ("preset", "closed_m", "open_m", "closed_rad", "open_rad"),
    [
        ("aloha_original", 0.01844, 0.05800, -0.6213, 1.4910),
        ("aloha_trossen", 0.0440, 0.0579, 0.6197, 1.6214),
    ],
)
def test_when_a_preset_is_used_expect_the_constants_that_its_source_publishes(
    preset, closed_m, open_m, closed_rad, open_rad
):
    assert GRIPPER_PRESETS[preset] == GripperEnds(
        finger_closed_m=closed_m,
        finger_open_m=open_m,
        motor_closed_rad=closed_rad,
        motor_open_rad=open_rad,
    )


@pytest.mark.parametrize(
    ("preset", "model"),
    [
        ("aloha_original", "vx300s"),
        ("aloha_trossen", "vx300s"),
        ("aloha_vx300s", "aloha_vx300s"),
    ],
)
def test_when_a_preset_s_motor_is_at_an_end_expect_its_finger_where_the_driver_reports_it(
    preset, model
):
    ends = GRIPPER_PRESETS[preset]
    assert reported_m(model, ends.motor_closed_rad) == pytest.approx(
        ends.finger_closed_m, abs=1.5e-4
    )
    assert reported_m(model, ends.motor_open_rad) == pytest.approx(ends.finger_open_m, abs=1.5e-4)


@given(model=MODELS, motor_rad=st.floats(-1.2, 1.5))
def test_when_a_motor_is_anywhere_expect_the_finger_that_the_law_of_cosines_gives(
    model, motor_rad
):
    # At this precision the driver's float32 would do as well.
    finger_m = LINKAGES[model].finger_m(motor_rad)
    assert finger_m == pytest.approx(reported_m(model, motor_rad), abs=1e-7)
    assert model in models_that_report(finger_m, motor_rad)
    horn_m, rod_m = PUBLISHED_LENGTHS_M[model]
    if finger_m > 1e-3:
        at_motor = acos((horn_m**2 + finger_m**2 - rod_m**2) / (2.0 * horn_m * finger_m))
        assert sin(pi / 2.0 - at_motor) == pytest.approx(sin(motor_rad), abs=1e-6)


@given(motor_rad=st.floats(-0.6, 0.5) | st.floats(0.9, 1.48))
def test_when_aloha_s_own_driver_reports_expect_the_original_preset_refused_and_its_own_named(
    motor_rad,
):
    problem = ends_problem(
        GRIPPER_PRESETS["aloha_original"],
        **report("aloha_vx300s", motor_rad),
        preset="aloha_original",
    )
    assert "robot model aloha_vx300s" in problem and "-0.6213..1.4910 rad" in problem
    assert "use preset aloha_vx300s (motor closed at 0.6197 rad), or start the driver" in problem


@given(motor_rad=st.floats(-0.6, 0.5) | st.floats(0.9, 1.48))
def test_when_a_vx300s_reports_expect_the_original_preset_accepted_and_aloha_s_own_refused(
    motor_rad,
):
    reported = report("vx300s", motor_rad)
    ends = GRIPPER_PRESETS["aloha_original"]
    assert ends_problem(ends, **reported, preset="aloha_original") is None
    problem = ends_problem(GRIPPER_PRESETS["aloha_vx300s"], **reported, preset="aloha_vx300s")
    assert "robot model vx300s" in problem and "aloha_original" in problem


@given(motor_rad=st.floats(0.6, 1.6))
def test_when_trossen_s_gripper_reports_as_its_preset_says_expect_no_problem(motor_rad):
    for preset, model in (("aloha_trossen", "vx300s"), ("aloha_vx300s", "aloha_vx300s")):
        ends = GRIPPER_PRESETS[preset]
        assert ends_problem(ends, **report(model, motor_rad), preset=preset) is None


@given(motor_rad=st.floats(-1.0, 0.5))
def test_when_a_gripper_stands_where_its_preset_never_gets_expect_it_accepted_all_the_same(
    motor_rad,
):
    # Interbotix's simulated driver starts every gripper at 0 rad.
    ends = GRIPPER_PRESETS["aloha_vx300s"]
    reported = report("aloha_vx300s", motor_rad)
    assert ends_problem(ends, **reported, preset="aloha_vx300s") is None


def test_when_both_models_report_the_same_expect_neither_preset_refused():
    # Near 0.72 rad, on the way: more will be known as soon as the gripper moves.
    reported = report("vx300s", 0.72)
    for preset in ("aloha_original", "aloha_vx300s"):
        assert ends_problem(GRIPPER_PRESETS[preset], **reported, preset=preset) is None


def test_when_no_known_model_reports_so_expect_measured_ends_accepted_and_presets_refused():
    ends = GripperEnds(
        finger_closed_m=0.01, finger_open_m=0.05, motor_closed_rad=-0.5, motor_open_rad=1.2
    )
    reported = {"finger_m": 0.02, "motor_rad": 1.0}
    assert ends_problem(ends, **reported, preset=None) is None
    problem = ends_problem(ends, **reported, preset="aloha_original")
    assert "none of the robot models vx300s, aloha_vx300s" in problem and "measure" in problem


def test_when_measured_ends_leave_out_a_part_of_the_stroke_expect_them_accepted_there_too():
    ends = GripperEnds(
        finger_closed_m=reported_m("vx300s", 0.0),
        finger_open_m=reported_m("vx300s", 0.8),
        motor_closed_rad=0.0,
        motor_open_rad=0.8,
    )
    assert ends_problem(ends, **report("vx300s", 1.4), preset=None) is None
