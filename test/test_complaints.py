"""What users of other robot-learning systems complain about most, one test each.

docs/reference.md lists the complaints in this order, with what is done about each.
"""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from command_observer import CommandObserver
from looped_robot import LoopedRobot
from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment, parse_embodiment
from qwen_vla_core.embodiment.streams import joint_streams
from qwen_vla_core.errors import ObservationError, YamlFileError
from qwen_vla_core.execution import ChunkVerdict
from qwen_vla_core.modes import Answer, Mode, ModeEvent
from qwen_vla_core.observation import Fault, Instant, Refusal, match_joints
from qwen_vla_core.observation.of_embodiment import assembler_of
from qwen_vla_core.teleop import Hands, Wish
from qwen_vla_core.types import ActionChunk
from qwen_vla_ros.bringup import describe_bringup
from teleop_rig import TeleopRig

ROOT = Path(__file__).parents[1]
ROBOTS = {path.stem: load_embodiment(path) for path in (ROOT / "embodiments").glob("*.yaml")}
WIDOWX = ROBOTS["widowx"]
TEXT = (ROOT / "embodiments" / "widowx.yaml").read_text()
START_D = np.array(WIDOWX.start_D)
PERIOD_S = 1.0 / WIDOWX.command_hz


def engaged():
    """A WidowX that follows a policy."""
    robot = LoopedRobot(WIDOWX, START_D).run(0.2)
    robot.give(START_D + np.zeros((2, 7)))
    assert robot.ask(ModeEvent.ENGAGE_POLICY).answer is Answer.ACCEPTED
    return robot.run(PERIOD_S)


def turning(robot, rad_s, late_s=0.0):
    """A chunk that turns the waist, observed ``late_s`` ago."""
    times_T = np.arange(WIDOWX.horizon + 1) * WIDOWX.action_step_s
    points_TD = np.tile(robot.commands[-1], (len(times_T), 1))
    points_TD[:, 0] += rad_s * (times_T - late_s)
    return robot.give(points_TD, stamp_s=robot.ros_s - late_s).verdict


def test_when_chunks_meet_and_the_delay_was_misjudged_expect_no_jerk():
    robot = engaged()
    arm = WIDOWX.joints
    observer = CommandObserver(
        lower=[joint.lower for joint in arm],
        upper=[joint.upper for joint in arm],
        velocity=[joint.velocity for joint in arm],
        acceleration=[joint.acceleration for joint in arm],
    )
    for rad_s, late_s in ((0.5, 0.0), (-0.5, 0.35), (0.8, 0.05), (-0.2, 0.3)):
        assert turning(robot, rad_s, late_s) is ChunkVerdict.ACCEPTED
        robot.run(0.4)
    for command_D in robot.commands:
        observer.see(command_D, PERIOD_S)


def test_when_inference_is_slow_expect_the_robot_to_go_on_with_the_last_chunk_without_idling():
    robot = engaged()
    turning(robot, 0.2)
    robot.run(1.8)  # nine tenths of what may be followed of an observation, and no newer one
    speeds = np.diff(np.array(robot.commands)[-80:, 0]) / PERIOD_S
    assert robot.loop.state.mode is Mode.AUTONOMY
    np.testing.assert_allclose(speeds, 0.2, atol=1e-6)


@pytest.mark.parametrize("name", [name for name, robot in ROBOTS.items() if not all(robot.base_D)])
def test_when_a_gripper_is_normalised_expect_0_closed_and_1_open_in_states_and_actions(name):
    robot = ROBOTS[name]
    codec, here_D = EmbodimentCodec(robot), np.array(robot.start_D)
    grippers = [group for group in robot.groups if group.teleop_kind == "gripper"]
    for group in grippers:
        row = robot.group_slice(group.name).start
        for share, finger in ((0.0, group.action.closed), (1.0, group.action.open)):
            there_D = here_D.copy()
            there_D[row] = finger
            states = dict(zip(robot.state_channels, codec.state(there_D), strict=True))
            actions = codec.encode(np.stack([here_D, there_D]))[0]
            actions = dict(zip(robot.action_channels, actions, strict=True))
            for values in (states, actions):
                (value,) = [v for key, v in values.items() if group.name in key]
                assert value == pytest.approx(share, abs=1e-6), (group.name, share)
            decoded = codec.decode(
                codec.normalize_actions(np.array([list(actions.values())])), here_D, 0.0
            )
            assert decoded.positions_TD[1, row] == pytest.approx(finger, abs=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("topic: wrist/image_raw", "topik: wrist/image_raw", "topik"),
        ("tag: cam_left_wrist", "tag: wrist_cam", "wrist_cam"),
        ("{joint: elbow, axis", "{joint: elbo, axis", "elbo"),
        ("convention: ee_delta", "convention: ee_deltas", "ee_deltas"),
    ],
)
def test_when_a_camera_topic_or_joint_is_named_wrongly_expect_refusal_with_file_and_line(
    old, new, said
):
    with pytest.raises(YamlFileError) as refusal:
        parse_embodiment(TEXT.replace(old, new, 1), "robot.yaml")
    assert re.search(rf"robot\.yaml:\d+: .*{said}", str(refusal.value))


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "frozen"])
def test_when_a_camera_is_lost_or_frozen_expect_no_observation_and_its_name(lost):
    assembler, refused = assembler_of(WIDOWX, simulated=False), None
    image = np.zeros((96, 96, 3), np.uint8)
    for tick in range(100):
        now = Instant(ros_s=1000.0 + 0.05 * tick, steady_s=50.0 + 0.05 * tick)
        stamps = {"stamp_s": now.ros_s, "now": now}
        for camera in WIDOWX.cameras:
            if camera.name == "wrist" and lost and tick > 40:
                continue
            fresh = camera.name != "wrist" or lost
            assembler.add_image(camera.name, image + np.uint8(tick if fresh else 0), **stamps)
        for stream in joint_streams(WIDOWX):
            positions = START_D[list(stream.rows)]
            assembler.add_joints(stream.topic, stream.driver_names, positions, **stamps)
        assembler.add_command(WIDOWX.joint_names, START_D, **stamps)
        refused = assembler.assemble("go", now)
        assert tick > 35 or not isinstance(refused, Refusal)
    faults = {(fault.stream, fault.fault) for fault in refused.reasons}
    assert faults == {("wrist", Fault.OLD if lost else Fault.FROZEN)}


def test_when_a_person_takes_over_from_a_moving_policy_and_back_expect_no_jump():
    person = TeleopRig(WIDOWX, START_D)
    robot = person.robot
    person.period()
    robot.give(START_D + np.zeros((2, 7)))
    robot.ask(ModeEvent.ENGAGE_POLICY)
    person.run(PERIOD_S)
    turning(robot, 0.5)
    person.run(0.6)
    velocity_6 = np.array([0.0, -0.1, 0.0, 0.0, 0.0, 0.0])
    person.hands = Hands(pressed=True, wish=Wish(tool_velocities={"arm": velocity_6}))
    person.run(0.6)
    assert person.mode is Mode.TELEOP and robot.velocities[-1].any()
    turning(robot, 0.5)
    person.session.hand_back()
    person.run(0.1)
    assert turning(robot, 0.5) is ChunkVerdict.ACCEPTED
    person.run(0.6)
    assert person.mode is Mode.AUTONOMY
    person.check_motion(held=False)


def test_when_limits_are_missing_expect_no_start_and_when_they_act_expect_it_said():
    with pytest.raises(YamlFileError, match="velocity"):
        parse_embodiment(TEXT.replace("velocity: 1.57, ", "", 1), "robot.yaml")
    robot = engaged()
    turning(robot, 3.0)
    robot.run(0.5)
    assert "waist" in {joint for joints in robot.acted.values() for joint in joints}


@pytest.mark.parametrize("seed", range(3))
def test_when_joints_arrive_in_another_order_expect_each_by_its_name(seed):
    order = np.random.default_rng(seed).permutation(7)
    names = [WIDOWX.joint_names[i] for i in order]
    positions = match_joints(names, START_D[order], WIDOWX.joint_names)
    np.testing.assert_array_equal(positions, START_D)
    with pytest.raises(ObservationError, match="elbow"):
        match_joints([n.replace("elbow", "elbo") for n in names], START_D, WIDOWX.joint_names)


@pytest.mark.parametrize("name", ROBOTS)
def test_when_another_robot_is_started_expect_the_same_nodes_and_no_bridge_of_its_own(name):
    path = str(ROOT / "embodiments" / f"{name}.yaml")
    nodes = describe_bringup(embodiment=path, checkpoint="weights", teleop="joy")
    assert [node.name for node in nodes] == ["control_node", "policy_node", "teleop_node"]
    assert all(node.parameters["embodiment"] == path for node in nodes)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"step_s": 0.1}, "a step of 0.1 s; this robot's is 0.2 s"),
        ({"horizon": 8}, "9 points; a chunk of this robot has 17"),
    ],
)
def test_when_horizon_or_rate_differ_from_training_expect_the_chunk_refused_with_both(wrong, said):
    robot = engaged()
    points = wrong.pop("horizon", WIDOWX.horizon) + 1
    chunk = ActionChunk(
        stamp_s=robot.ros_s,
        step_s=WIDOWX.action_step_s,
        positions_TD=np.tile(START_D, (points, 1)),
        velocities_TD=np.zeros((points, 7)),
    )
    offer = robot.loop.on_chunk(replace(chunk, **wrong), robot.ros_s, robot.now_s)
    assert offer.verdict is ChunkVerdict.MALFORMED and offer.reason == said


def test_when_the_complaints_are_listed_in_the_docs_expect_exactly_these_tests():
    table = (ROOT / "docs" / "reference.md").read_text().partition("## Complaints")[2]
    listed = re.findall(r"`(test_when_\w+)`", table)
    here = re.findall(r"^def (test_when_\w+)", Path(__file__).read_text(), re.MULTILINE)
    assert listed == here[:-1] and len(listed) == 10
