"""Arms stop before each other, themselves, the table and the faces of their workspace."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from capsule_observer import CapsuleObserver
from command_observer import CommandObserver
from qwen_vla_core.embodiment import load_embodiment, parse_embodiment
from qwen_vla_core.errors import EmbodimentError, NonFiniteError
from qwen_vla_core.execution.limiter import Limiter
from qwen_vla_core.safety import Motion, Rule, Verdict, clearance_of

FOLDER = Path(__file__).parents[3] / "embodiments"
TEXTS = {name: (FOLDER / f"{name}.yaml").read_text() for name in ("aloha", "widowx")}
ROBOTS = {name: load_embodiment(FOLDER / f"{name}.yaml") for name in TEXTS}
OBSERVERS = {name: CapsuleObserver(text) for name, text in TEXTS.items()}
ALOHA, WIDOWX = ROBOTS["aloha"], ROBOTS["widowx"]
DT_S = 0.02
ROUNDING_M = 1e-6
SLEEPS = {  # interbotix.md 3.2, and the firmware's limits of the shoulder
    "aloha": [0.0, -1.85, 1.55, 0.0, 0.8, 0.0],
    "widowx": [0.0, -1.80, 1.55, 0.0, 0.8, 0.0],
}


def start_D(robot):
    return np.array(robot.start_D)


def limits_D(robot):
    return np.array([[joint.lower for joint in robot.joints], [j.upper for j in robot.joints]])


def command_observer(robot):
    lower_D, upper_D = limits_D(robot)
    return CommandObserver(
        lower=lower_D.tolist(),
        upper=upper_D.tolist(),
        velocity=[joint.velocity for joint in robot.joints],
        acceleration=[joint.acceleration for joint in robot.joints],
    )


def go(robot, limiter, motion, target_D, periods, observer=None):
    """Send the arms to a pose that nobody planned; every motion of it."""
    for _ in range(periods):
        filtered = limiter.approach(np.asarray(target_D), motion, dt_s=DT_S, slow=False)
        motion = filtered.motion
        if observer is not None:
            observer.see(motion.command_D, DT_S)
        yield filtered


poses = st.lists(
    st.tuples(st.lists(st.floats(0.0, 1.0), min_size=14, max_size=14), st.integers(5, 40)),
    min_size=1,
    max_size=3,
)


@pytest.mark.parametrize("name", ROBOTS)
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=poses)
def test_when_an_arm_is_sent_anywhere_expect_it_never_nearer_than_the_margin(name, case):
    robot, near = ROBOTS[name], OBSERVERS[name]
    limiter, motion = Limiter(robot), Motion.at_rest(start_D(robot))
    observer, (lower_D, upper_D) = command_observer(robot), limits_D(robot)
    observer.see(motion.command_D, DT_S)
    for shares, periods in case:
        target_D = lower_D + np.array(shares)[: len(lower_D)] * (upper_D - lower_D)
        for filtered in go(robot, limiter, motion, target_D, periods, observer):
            motion = filtered.motion
            assert near.nearest(motion.command_D) >= near.margin_m - ROUNDING_M


@pytest.mark.parametrize("name", ROBOTS)
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(shares=st.lists(st.floats(0.0, 1.0), min_size=14, max_size=14), seed=st.integers(0, 999))
@example(shares=[0.0, 1.0, 0.75, 0.25] + [0.0] * 10, seed=169)
def test_when_a_motion_brings_nothing_nearer_expect_it_unchanged_even_from_too_near(
    name, shares, seed
):
    robot, near = ROBOTS[name], OBSERVERS[name]
    lower_D, upper_D = limits_D(robot)
    from_D = lower_D + np.array(shares)[: len(lower_D)] * (upper_D - lower_D)
    turns = [joint.unit == "rad" for joint in robot.joints]
    turn_D = 0.3 * np.random.default_rng(seed).normal(size=len(from_D)) * turns
    limiter = Limiter(robot)
    filtered = limiter.approach(from_D + turn_D, Motion.at_rest(from_D), dt_s=DT_S, slow=False)
    if Rule.COLLISION not in filtered.acted:
        return
    # What was limited would have come nearer to something that is too near, or soon is: straight,
    # or with each joint at its own speed limit, as it is moved.
    speed_D = np.array([joint.velocity for joint in robot.joints])
    ways = [0.1 * turn_D, *(turn_D.clip(-s * speed_D, s * speed_D) for s in (0.02, 0.05))]
    apart, heights = near.distances(from_D)
    before = apart | heights
    for way_D in ways:
        there, below = near.distances(np.clip(from_D + way_D, lower_D, upper_D))
        after = there | below
        if any(after[w] < before[w] < near.margin_m + 0.05 for w in before):
            return
    raise AssertionError("nothing near came nearer")


@pytest.mark.parametrize("name", ROBOTS)
def test_when_an_arm_rests_on_itself_expect_it_to_get_up_to_the_start_pose(name):
    robot = ROBOTS[name]
    limiter, sleep_D = Limiter(robot), start_D(robot)
    for group in robot.groups:
        if len(group.joints) == 6:
            sleep_D[robot.group_slice(group.name)] = SLEEPS[name]
    motion, near = Motion.at_rest(sleep_D), OBSERVERS[name]
    lowest_m = min(near.nearest(sleep_D), near.margin_m) - ROUNDING_M
    for _ in range(450):
        motion = limiter.approach(start_D(robot), motion, dt_s=DT_S, slow=True).motion
        assert near.nearest(motion.command_D) >= lowest_m
    np.testing.assert_allclose(motion.command_D, start_D(robot), atol=1e-3)


def down(robot, side=None):
    """A pose with the tools of the arms, or of one, below the table."""
    target_D = start_D(robot)
    for group in robot.groups:
        if len(group.joints) == 6 and side in (None, group.side):
            target_D[robot.group_slice(group.name)] = [0.0, 0.8, 0.6, 0.0, 0.4, 0.0]
    return target_D


@pytest.mark.parametrize("name", ROBOTS)
def test_when_an_arm_is_sent_into_the_table_expect_a_smooth_stop_before_it_and_words(name):
    robot, near = ROBOTS[name], OBSERVERS[name]
    observer, motion, words = command_observer(robot), Motion.at_rest(start_D(robot)), set()
    observer.see(motion.command_D, DT_S)
    change_D = DT_S * np.array([joint.acceleration for joint in robot.joints])
    for filtered in go(robot, Limiter(robot), motion, down(robot), 150, observer):
        # The observer lets any joint stand still at once.
        sudden_D = np.abs(filtered.motion.velocity_D - motion.velocity_D) - change_D
        assert (sudden_D < ROUNDING_M).all()
        motion = filtered.motion
        words.update(filtered.acted.get(Rule.COLLISION, ()))
        assert near.nearest(motion.command_D) >= near.margin_m - ROUNDING_M
    assert filtered.verdict is Verdict.LIMITED and not motion.velocity_D.any()
    assert near.nearest(motion.command_D) < near.margin_m + 0.003  # and not long before
    assert any(word.endswith("near the table") for word in words), words
    for filtered in go(robot, Limiter(robot), motion, start_D(robot), 150, observer):
        assert Rule.COLLISION not in filtered.acted  # away is never blocked
    np.testing.assert_allclose(filtered.motion.command_D, start_D(robot), atol=1e-3)


def test_when_an_arm_is_folded_onto_itself_expect_a_stop_before_and_both_parts_named():
    near, motion, words = OBSERVERS["aloha"], Motion.at_rest(start_D(ALOHA)), set()
    target_D = start_D(ALOHA)
    target_D[ALOHA.group_slice("left_arm")] = [0.0, -1.7, -1.1, -2.3, 2.2, -3.1]
    assert near.nearest(target_D) < 0.0
    for filtered in go(ALOHA, Limiter(ALOHA), motion, target_D, 150):
        words.update(filtered.acted.get(Rule.COLLISION, ()))
        assert near.nearest(filtered.motion.command_D) >= near.margin_m - ROUNDING_M
    assert any(word.count("left_arm's") == 2 for word in words), words


def test_when_one_arm_is_stopped_expect_the_other_to_go_on():
    target_D = down(ALOHA, side="right")
    left = ALOHA.group_slice("left_arm")
    target_D[left.start] = 0.5
    motion = Motion.at_rest(start_D(ALOHA))
    for filtered in go(ALOHA, Limiter(ALOHA), motion, target_D, 150):
        motion = filtered.motion
    assert filtered.acted[Rule.COLLISION]
    assert all(word.startswith("right_arm's") for word in filtered.acted[Rule.COLLISION])
    np.testing.assert_allclose(motion.command_D[left], target_D[left], atol=1e-3)


def test_when_two_arms_are_sent_through_each_other_expect_them_apart_and_both_named():
    near, motion, words = OBSERVERS["aloha"], Motion.at_rest(start_D(ALOHA)), set()
    target_D = start_D(ALOHA)
    target_D[ALOHA.group_slice("left_arm")] = [-1.2, 0.3, 0.2, 0.0, 0.0, 0.0]
    target_D[ALOHA.group_slice("right_arm")] = [1.2, 0.3, 0.2, 0.0, 0.0, 0.0]
    for filtered in go(ALOHA, Limiter(ALOHA), motion, target_D, 150):
        words.update(filtered.acted.get(Rule.COLLISION, ()))
        assert near.nearest(filtered.motion.command_D) >= near.margin_m - ROUNDING_M
    assert any("left_arm's" in word and "right_arm's" in word for word in words), words


def tool_m(robot, positions_D):
    return OBSERVERS[robot.name].tool(positions_D, robot.groups[0].action.kinematics.tool_origin_m)


@settings(max_examples=6, deadline=None)
@given(case=poses)
def test_when_an_arm_is_sent_out_of_its_workspace_expect_the_tool_to_stay_and_the_face_named(case):
    box = WIDOWX.groups[0].action.kinematics
    limiter, motion, (lower_D, upper_D) = Limiter(WIDOWX), None, limits_D(WIDOWX)
    motion, named = Motion.at_rest(start_D(WIDOWX)), set()
    for shares, periods in case:
        target_D = lower_D + np.array(shares)[: len(lower_D)] * (upper_D - lower_D)
        for filtered in go(WIDOWX, limiter, motion, target_D, periods):
            motion = filtered.motion
            named.update(filtered.acted.get(Rule.WORKSPACE, ()))
            at_m = tool_m(WIDOWX, motion.command_D)
            assert (at_m >= np.array(box.workspace_lower_m) - ROUNDING_M).all()
            assert (at_m <= np.array(box.workspace_upper_m) + ROUNDING_M).all()
    assert all(word.startswith("arm's tool at the ") and " face of" in word for word in named)


def outside_m(positions_D):
    """How far the tool of the WidowX is from its workspace, m."""
    box, at_m = WIDOWX.groups[0].action.kinematics, tool_m(WIDOWX, positions_D)
    return np.linalg.norm(at_m - np.clip(at_m, box.workspace_lower_m, box.workspace_upper_m))


def test_when_a_tool_is_outside_its_workspace_expect_every_way_back_and_none_farther():
    limiter, outside_D = Limiter(WIDOWX), start_D(WIDOWX)
    outside_D[:6] = 0.0  # beyond the upper x face and the upper z face
    farther_D = outside_D + np.array([0.0, 0.3, -0.3, 0.0, 0.0, 0.0, 0.0])
    before_m = outside_m(outside_D)
    for filtered in go(WIDOWX, limiter, Motion.at_rest(outside_D), farther_D, 50):
        now_m = outside_m(filtered.motion.command_D)
        assert 0.0 < now_m <= before_m + ROUNDING_M
        before_m = now_m
    assert any("upper x face" in word for word in filtered.acted[Rule.WORKSPACE])
    *_, last = go(WIDOWX, limiter, filtered.motion, start_D(WIDOWX), 150)
    np.testing.assert_allclose(last.motion.command_D, start_D(WIDOWX), atol=1e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_when_a_target_is_no_number_expect_a_hold_and_no_pose_that_is_no_number(bad):
    limiter, rest = Limiter(ALOHA), Motion.at_rest(start_D(ALOHA))
    target_D = down(ALOHA)
    target_D[3] = bad
    filtered = limiter.approach(target_D, rest, dt_s=DT_S, slow=False)
    assert filtered.verdict is Verdict.REJECTED
    np.testing.assert_array_equal(filtered.motion.command_D, rest.command_D)
    with pytest.raises(NonFiniteError):
        clearance_of(ALOHA).place(np.full((1, 14), bad))


def test_when_the_start_pose_is_too_near_expect_no_robot_and_what_is_near_what():
    text = TEXTS["aloha"].replace("table_z_m: 0.0 ", "table_z_m: 0.5 ")
    with pytest.raises(EmbodimentError, match="left_arm's fingertips near the table"):
        Limiter(parse_embodiment(text, "aloha.yaml"))


def test_when_a_robot_has_neither_capsules_nor_workspace_expect_nothing_watched():
    assert clearance_of(load_embodiment(FOLDER / "mobile_base.yaml")) is None
