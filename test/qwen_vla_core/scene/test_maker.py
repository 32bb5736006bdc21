"""What is drawn of a robot is where it is, where it goes and where it was."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.scene import SceneMaker, Status, as_json, time_colours
from qwen_vla_core.scene.maker import EXECUTED_S, FADE_S, OLD_PLANS
from qwen_vla_core.types import ActionChunk
from qwen_vla_sim.registry import make_world
from qwen_vla_sim.worlds.tool_paths import BASE, tool_paths

PATHS = sorted((Path(__file__).parents[3] / "embodiments").glob("*.yaml"))
robots = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
QUIET = Status(mode="HOLD", reason="started")


@functools.cache
def robot(name):
    return load_embodiment(next(path for path in PATHS if path.stem == name))


def chunk_of(embodiment, positions_TD, stamp_s=10.0):
    return ActionChunk(
        stamp_s=stamp_s,
        step_s=embodiment.action_step_s,
        positions_TD=positions_TD,
        velocities_TD=np.zeros_like(positions_TD),
    )


def ramp(embodiment, by=0.2):
    """A chunk's positions [T, D] from the start pose on, every joint moving."""
    share_T = np.linspace(0.0, 1.0, embodiment.horizon + 1)[:, None]
    return np.array(embodiment.start_D) + share_T * by


def standing(embodiment, pose=(0.0, 0.0, 0.0), stamp_s=10.0):
    """A maker that knows where the robot is."""
    maker = SceneMaker(embodiment)
    arms = dict(zip(embodiment.joint_names, embodiment.start_D, strict=True))
    maker.on_joints(arms)
    if embodiment.base is not None:
        maker.on_base(np.array(pose), stamp_s)
    return maker


@robots
def test_when_a_chunk_is_drawn_expect_its_paths_where_the_simulator_has_the_tools(path):
    embodiment = load_embodiment(path)
    positions_TD = ramp(embodiment)
    maker = standing(embodiment)
    maker.on_chunk(chunk_of(embodiment, positions_TD), 10.0)
    plan = {p.group: p.points_T3 for p in maker.scene(10.0, QUIET).plan}
    expected = tool_paths(make_world(embodiment), positions_TD)
    arms = {g.driver.namespace: g.name for g in embodiment.groups if g.teleop_kind == "tool"}
    names = arms | ({BASE: embodiment.base.name} if embodiment.base else {})
    assert set(plan) == {names[key] for key in expected}
    for key, points_T3 in expected.items():
        np.testing.assert_allclose(plan[names[key]], points_T3, atol=1e-5)


@robots
def test_when_a_scene_is_made_json_expect_every_number_in_it_finite(path):
    embodiment = load_embodiment(path)
    maker = standing(embodiment)
    maker.on_chunk(chunk_of(embodiment, ramp(embodiment)), 10.0, prefix_steps=2)
    shown = as_json(maker.scene(10.05, Status(image_ages_s={"front_3": np.inf})))
    read = json.loads(json.dumps(shown, allow_nan=False))
    assert read["status"]["image_ages_s"] == {"front_3": None}
    assert set(read["joints"]) == set(read["ghost"]) == set(embodiment.joint_names)
    assert read["plan"][0]["committed"] == 3
    count = embodiment.horizon + 1
    for key, length in (("points", 3), ("colours", 3)):
        assert np.shape(read["plan"][0][key]) == (count, length)


def test_when_nothing_was_received_expect_an_empty_scene():
    scene = SceneMaker(robot("widowx_mobile")).scene(10.0, Status())
    assert (scene.joints, scene.commanded, scene.ghost) == ({}, {}, None)
    assert not (scene.plan or scene.old_plans or scene.executed or scene.limits or scene.events)
    assert len(scene.footprints) == 0 and scene.frame == "odom"


@pytest.mark.parametrize(
    ("name", "frame"),
    [("aloha", "world"), ("widowx", "wx250s/base_link"), ("mobile_base", "odom")],
)
def test_when_a_robot_is_drawn_expect_the_frame_that_its_own_packages_have(name, frame):
    assert SceneMaker(robot(name)).frame == frame


def test_when_a_base_has_turned_expect_its_chunk_ahead_of_where_it_stood_at_the_stamp():
    embodiment = robot("widowx_mobile")
    maker = standing(embodiment, pose=(2.0, 1.0, np.pi / 2), stamp_s=9.9)
    maker.on_base(np.array([5.0, 5.0, 0.0]), 11.0)  # where it is by the time the chunk is there
    positions_TD = ramp(embodiment, by=0.0)
    positions_TD[:, 0] = np.linspace(0.0, 1.0, len(positions_TD))
    maker.on_chunk(chunk_of(embodiment, positions_TD, stamp_s=10.0), 11.0)
    scene = maker.scene(11.0, QUIET)
    plan = {p.group: p for p in scene.plan}
    np.testing.assert_allclose(plan["base"].points_T3[-1], [2.0, 2.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(plan["base"].headings_T, np.pi / 2)
    assert scene.ghost["base_y"] == pytest.approx(2.0)
    # The arm rides on it: its tool is 0.5 m ahead of the base, which is +y now.
    tool = plan["arm"].points_T3
    np.testing.assert_allclose(tool[-1] - tool[0], [0.0, 1.0, 0.0], atol=1e-6)
    assert tool[0][1] > 1.4
    np.testing.assert_allclose(scene.footprints[0].mean(axis=0), [5.0, 5.0, 0.0])
    np.testing.assert_allclose(scene.footprints[-1].mean(axis=0), [2.0, 2.0, 0.0], atol=1e-6)


def test_when_a_new_chunk_comes_expect_the_old_one_to_fade_and_vanish():
    embodiment = robot("widowx")
    maker = standing(embodiment)
    maker.on_chunk(chunk_of(embodiment, ramp(embodiment, 0.1), 10.0), 10.0)
    maker.on_chunk(chunk_of(embodiment, ramp(embodiment, 0.2), 10.5), 10.5)
    opacities = [
        [old.opacity for old in maker.scene(now_s, QUIET).old_plans] for now_s in (10.5, 12.0)
    ]
    assert opacities == [[1.0], [pytest.approx(1.0 - 1.5 / FADE_S)]]
    assert maker.scene(10.5 + FADE_S, QUIET).old_plans == ()


def test_when_chunks_come_fast_expect_only_a_few_old_plans():
    embodiment = robot("aloha")
    maker = standing(embodiment)
    for k in range(200):
        now_s = 10.0 + 0.02 * k
        maker.on_chunk(chunk_of(embodiment, ramp(embodiment), now_s), now_s)
    old = maker.scene(now_s, QUIET).old_plans
    assert 0 < len(old) <= 2 * OLD_PLANS  # of both arms


def test_when_a_chunk_is_over_expect_no_plan_and_no_ghost():
    embodiment = robot("widowx")
    maker = standing(embodiment)
    chunk = chunk_of(embodiment, ramp(embodiment))
    maker.on_chunk(chunk, 10.0)
    assert maker.scene(chunk.end_s - 0.01, QUIET).ghost is not None
    scene = maker.scene(chunk.end_s + 0.01, QUIET)
    assert scene.plan == () and scene.ghost is None
    assert [old.group for old in scene.old_plans] == ["arm"]


def test_when_the_robot_moves_expect_the_last_seconds_of_its_path():
    embodiment = robot("widowx")
    maker = standing(embodiment)
    for k in range(100):
        maker.on_joints({"waist": 0.01 * k})
        scene = maker.scene(10.0 + 0.1 * k, QUIET)
    (path,) = scene.executed
    assert len(path.points_T3) == round(EXECUTED_S / 0.1) + 1
    angles = np.arctan2(path.points_T3[:, 1], path.points_T3[:, 0])
    np.testing.assert_allclose(np.diff(angles), 0.01, atol=1e-6)


def test_when_time_goes_back_expect_everything_before_to_be_forgotten():
    embodiment = robot("widowx")
    maker = standing(embodiment)
    maker.on_chunk(chunk_of(embodiment, ramp(embodiment)), 10.0)
    maker.scene(10.0, QUIET)
    scene = maker.scene(2.0, QUIET)
    assert scene.joints == {} and scene.plan == () and scene.executed == ()


def test_when_a_joint_is_at_its_limit_expect_it_named_at_its_place():
    embodiment = robot("widowx")
    maker = standing(embodiment)
    elbow = next(joint for joint in embodiment.joints if joint.name == "elbow")
    maker.on_command({"elbow": elbow.upper, "left_finger": 0.037})  # a gripper may rest at its end
    (hit,) = maker.scene(10.0, QUIET).limits
    assert (hit.joint, hit.text) == ("elbow", f"at its upper limit, {elbow.upper:g} rad")
    assert np.linalg.norm(hit.point_3 - [0.04975, 0.0, 0.36]) < 0.05


def test_when_the_plan_goes_beyond_a_limit_expect_when_in_words():
    embodiment = robot("widowx")
    maker = standing(embodiment)
    positions_TD = ramp(embodiment, by=0.0)
    waist = embodiment.joint_names.index("waist")
    positions_TD[8:, waist] = 3.5
    maker.on_chunk(chunk_of(embodiment, positions_TD), 10.0)
    (hit,) = maker.scene(10.6, QUIET).limits
    assert hit.text == (
        "the plan goes to 3.500 rad, beyond its upper limit, 3.14158 rad, in 1.00 s"
    )


def test_when_the_filter_holds_a_joint_back_expect_its_rule():
    maker = standing(robot("widowx"))
    (hit,) = maker.scene(10.0, Status(limited={"waist": "velocity", "unknown": "velocity"})).limits
    assert (hit.joint, hit.text) == ("waist", "held back by the filter: velocity")


def test_when_a_gripper_closes_in_the_chunk_expect_where_and_when():
    embodiment = robot("aloha")
    maker = standing(embodiment)
    positions_TD = ramp(embodiment, by=0.0)
    d = embodiment.joint_names.index("right_gripper")
    positions_TD[:, d] = np.where(np.arange(len(positions_TD)) < 9, 0.057, 0.021)
    maker.on_chunk(chunk_of(embodiment, positions_TD), 10.0)
    (event,) = maker.scene(10.08, QUIET).events
    assert (event.group, event.text) == ("right_gripper", "closes")
    assert event.due_in_s == pytest.approx(0.10)
    assert event.point_3[1] < -0.2  # at the right arm's tool


def test_when_a_chunk_is_of_another_robot_or_no_number_expect_it_dropped():
    embodiment = robot("widowx")
    maker = standing(embodiment)
    maker.on_chunk(chunk_of(embodiment, np.zeros((5, 3))), 10.0)
    maker.on_chunk(chunk_of(embodiment, np.full((5, len(embodiment.joints)), np.nan)), 10.0)
    assert maker.scene(10.0, QUIET).plan == ()


def test_when_colours_are_looked_at_expect_them_to_change_from_now_to_the_end():
    colours_T3 = time_colours(np.array([-1.0, 0.0, 0.5, 1.0, 9.0]), 1.0)
    assert (colours_T3[0] == colours_T3[1]).all() and (colours_T3[3] == colours_T3[4]).all()
    brightness_T = colours_T3 @ [0.3, 0.6, 0.1]
    assert brightness_T[1] > brightness_T[2] > brightness_T[3]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=11, max_size=11))
def test_when_anything_is_measured_or_odometry_is_no_number_expect_a_scene_in_json(numbers):
    embodiment = robot("widowx_mobile")
    maker = SceneMaker(embodiment)
    maker.on_joints(dict(zip(embodiment.joint_names, numbers, strict=False)))
    maker.on_base(np.array(numbers[:3]), 10.0)
    maker.on_command(dict(zip(embodiment.joint_names, reversed(numbers), strict=False)))
    shown = as_json(maker.scene(10.0, QUIET))
    json.dumps(shown, allow_nan=False)
    usable = all(abs(number) < 1e4 for number in numbers[: len(embodiment.joints)])
    assert len(shown["joints"]) == (len(embodiment.joints) if usable else 0)
