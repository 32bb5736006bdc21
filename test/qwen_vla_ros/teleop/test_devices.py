"""The devices as teleop_node asks them: messages in, hands out, time as an argument."""

import time
from pathlib import Path

import numpy as np
import pytest
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion, Twist, Vector3
from sensor_msgs.msg import JointState, Joy
from std_msgs.msg import Bool, Float32

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.embodiment.schema import TwistInput
from qwen_vla_core.embodiment.schema.teleop import AnyDevice
from qwen_vla_core.errors import QwenVlaError, YamlFileError
from qwen_vla_ros.stream_meter import StreamMeter
from qwen_vla_ros.teleop import DEVICES, make_device
from qwen_vla_ros.teleop.joy import UNCHANGED_S

EMBODIMENTS = Path(__file__).parents[3] / "embodiments"
ROBOTS = {path.stem: load_embodiment(path) for path in EMBODIMENTS.glob("*.yaml")}
ARM = ["waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate"]
LATER_S = 0.3
"""Later than watchdogs.teleop_s of all shipped robots."""


@pytest.fixture
def device(ros):
    node = ros.create_node("teleop_node")

    def make(kind, robot="widowx", **changes):
        (section,) = [one for one in ROBOTS[robot].teleop.devices if one.type == kind]
        section = type(section)(**{**section.model_dump(), **changes})
        return make_device(node, section, ROBOTS[robot], pytest.fail, StreamMeter(0.0))

    yield make
    node.destroy_node()


def twist(x=0.0, turn=0.0):
    return Twist(linear=Vector3(x=x), angular=Vector3(z=turn))


def joints(gripper):
    return JointState(name=[*ARM, "gripper"], position=[0.0] * 6 + [gripper])


def now():
    return time.monotonic()


def test_when_devices_are_compared_with_the_schema_expect_each_to_have_its_class():
    kinds = AnyDevice.__origin__.__args__
    assert {kind.model_fields["type"].annotation.__args__[0] for kind in kinds} == set(DEVICES)


@pytest.mark.parametrize("robot", ROBOTS)
def test_when_a_robots_devices_are_made_expect_each_silent_and_without_a_wish(device, robot):
    for section in ROBOTS[robot].teleop.devices:
        one = device(section.type, robot)
        assert one.hands(now()) is None
        one.release()
        assert (one.engage() == "") == (section.type == "leader")


def test_when_a_gamepad_has_no_file_expect_refusal_with_those_that_there_are(device):
    with pytest.raises(YamlFileError, match="game_controller"):
        device("joy", gamepad="wheel")


def test_when_a_gamepad_falls_silent_while_pressed_expect_no_hands(device):
    one = device("joy")
    buttons = [0] * 21
    buttons[10] = 1
    one._on_joy(Joy(axes=[0.0] * 6, buttons=buttons))
    assert one.hands(now()).pressed and one.hands(now() + LATER_S) is None


@pytest.mark.parametrize("kind", ["joy", "keyboard"])
def test_when_a_gamepad_repeats_one_motion_for_long_expect_it_to_count_as_silent(device, kind):
    one = device(kind)
    pressed = 10 if kind == "joy" else 0
    buttons = [int(i == pressed) for i in range(21)]
    centred, pushed = [0.0] * 7, [0.0, 1.0, *[0.0] * 5]
    one._on_joy(Joy(axes=centred, buttons=buttons))
    one._changed_s -= 2.0 * UNCHANGED_S
    one._on_joy(Joy(axes=centred, buttons=buttons))
    assert one.hands(now()).pressed, "what stands may be held"
    one._on_joy(Joy(axes=pushed, buttons=buttons))
    assert one.hands(now()).wish.moves
    one._changed_s -= 2.0 * UNCHANGED_S
    one._on_joy(Joy(axes=pushed, buttons=buttons))
    assert (one.hands(now()) is None) == (kind == "joy")
    one._on_joy(Joy(axes=centred, buttons=buttons))
    assert one.hands(now()).pressed


def test_when_a_twist_is_published_from_the_start_expect_nothing_before_a_zero(device):
    one = device("twist")
    one._on_twist(twist(0.1))
    assert not one.hands(now()).pressed
    one._on_twist(twist())
    one._on_twist(twist(0.1))
    assert one.hands(now()).pressed
    np.testing.assert_allclose(one.hands(now()).wish.tool_velocities["arm"], [0.1, 0, 0, 0, 0, 0])


def test_when_a_twist_falls_silent_expect_a_release_and_its_next_message_to_press(device):
    one = device("twist", "mobile_base")
    one._on_twist(twist(0.1, 0.2))
    assert not one.hands(now() + LATER_S).pressed
    one._on_twist(twist(0.1, 0.2))
    hands = one.hands(now())
    assert hands.pressed and hands.wish.base == (0.1, 0.2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_when_a_twist_is_not_finite_expect_it_not_used(device, bad):
    one = device("twist")
    with pytest.raises(QwenVlaError, match="not finite"):
        one._on_twist(twist(bad))
    assert one.hands(now()) is None


def test_when_a_twist_is_for_an_arm_on_a_base_expect_the_arm_and_no_base(device):
    robot = ROBOTS["widowx_mobile"]
    assert isinstance(robot.teleop.devices[2], TwistInput)
    one = device("twist", "widowx_mobile", group="arm")
    one._on_twist(twist(0.1))
    wish = one.hands(now()).wish
    assert wish.base is None and list(wish.tool_velocities) == ["arm"]


def both(one, gripper):
    for side in ("left", "right"):
        one._on_joints(f"leader_{side}/joint_states")(joints(gripper))


def test_when_both_leader_grippers_close_expect_it_engaged_and_released_by_whatever_ends_it(
    device,
):
    one = device("leader", "aloha")
    both(one, 0.2)
    assert not one.hands(now()).pressed
    both(one, -0.6)
    assert one.hands(now()).pressed
    one.release()
    both(one, -0.6)
    assert not one.hands(now()).pressed


def test_when_one_of_two_leaders_falls_silent_expect_no_hands_and_no_engagement_left(device):
    one = device("leader", "aloha")
    both(one, 0.2)
    one.engage()
    assert one.hands(now()).pressed
    assert one.hands(now() + LATER_S) is None
    both(one, 0.2)
    assert not one.hands(now()).pressed


def test_when_the_gripper_of_a_gello_falls_silent_expect_no_hands(device):
    gripper = {"joint": "left_finger", "topic": "grip", "leader_closed": 0, "leader_open": 1}
    joints = [{"joint": "waist", "leader": "fr3_joint1"}]
    arm = {"topic": "gello/joint_states", "joints": joints, "gripper": gripper}
    one = device("leader", arms=[arm])
    one._on_joints("gello/joint_states")(JointState(name=["fr3_joint1"], position=[0.4]))
    assert one.hands(now()) is None
    one._on_gripper("grip")(Float32(data=1.0))
    assert one.hands(now()).wish.positions == pytest.approx({"waist": 0.4, "left_finger": 0.037})
    later_s = now() + LATER_S
    one._at_s["gello/joint_states"] = later_s
    assert one.hands(later_s) is None


def hand(x=0.0, w=1.0):
    return PoseStamped(pose=Pose(position=Point(x=x), orientation=Quaternion(w=w)))


def clutched(one, x=0.0, pressed=True, share=0.5):
    for topic, callback, message in (
        ("teleop/pose", one._on_pose, hand(x)),
        ("teleop/clutch", one._on_clutch, Bool(data=pressed)),
        ("teleop/gripper", one._on_gripper, Float32(data=share)),
    ):
        one._dated(topic, callback)(message)
    return one


def test_when_pose_clutch_and_gripper_arrive_expect_them_in_the_wish(device):
    hands = clutched(device("clutched_pose"), x=0.2).hands(now())
    assert hands.pressed and hands.wish.tool_poses["arm"][0, 3] == 0.2
    assert hands.wish.positions == {"left_finger": pytest.approx(0.026)}
    assert not clutched(device("clutched_pose"), pressed=False).hands(now()).pressed


def test_when_the_clutch_falls_silent_while_the_pose_goes_on_expect_no_hands(device):
    one = clutched(device("clutched_pose"))
    later_s = now() + LATER_S
    one._at_s["teleop/pose"] = later_s
    assert one.hands(later_s) is None


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("_on_pose", hand(np.nan)),
        ("_on_pose", hand(w=0.0)),
        ("_on_gripper", Float32(data=float("nan"))),
        ("_on_gripper", Float32(data=7.0)),
    ],
)
def test_when_a_hand_says_what_cannot_be_expect_it_not_used(device, method, message):
    one = device("clutched_pose")
    with pytest.raises(QwenVlaError):
        getattr(one, method)(message)
    assert one.hands(now()) is None
