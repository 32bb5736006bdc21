"""What a request and an answer may hold, and which server a robot accepts."""

import copy

import numpy as np
import pytest

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.embodiment.signature import with_views
from qwen_vla_core.errors import CheckpointError, QwenVlaError, RemoteError
from qwen_vla_core.execution import Prefix
from qwen_vla_remote.messages import (
    check_server,
    describe_server,
    read_answer,
    read_request,
    write_request,
)
from qwen_vla_remote.stock_units import to_stock
from qwen_vla_remote.wire import REQUEST_BYTES, pack, unpack
from robots import WIDOWX, robot, two_arms_text
from scripted_policy import scene

ROBOT = load_embodiment(WIDOWX)
ROBOTS = {ROBOT.name: ROBOT}


def stock_request(**changed):
    """What a stock client of ALOHA's way sends."""
    images = {c.name: np.zeros((3, 24, 32), np.uint8) for c in ROBOT.cameras}
    request = {"images": images, "state": np.zeros(len(ROBOT.joint_names), np.float32)}
    return request | {"prompt": "Pick up the red block."} | changed


def over_the_wire(value):
    return unpack(pack(value), REQUEST_BYTES)


def test_when_a_request_of_ours_is_read_expect_what_was_written():
    channels = len(ROBOT.action_channels)
    prefix = Prefix(actions_NC=np.full((3, channels), 0.25, np.float32), committed=2)
    seen = scene(ROBOT, 0.5, stamp_s=12.5)
    read = read_request(over_the_wire(write_request(ROBOT, seen, prefix, 7, 0.8)), ROBOTS)
    assert (read.robot, read.request_id, read.normalised) == (ROBOT.name, 7, True)
    assert read.deadline_s == 0.8 and read.observation.stamp_s == 12.5
    np.testing.assert_array_equal(read.prefix.actions_NC, prefix.actions_NC)
    assert read.prefix.committed == 2
    for camera in ROBOT.cameras:
        image = read.observation.images[camera.name]
        assert image.shape == (camera.height, camera.width, 3) and (image == 100).all()


def test_when_a_client_sends_more_views_than_are_looked_at_expect_them_to_be_ignored():
    images = stock_request()["images"] | {"cam_low": np.zeros((3, 8, 8), np.uint8), "depth": 7}
    read = read_request(over_the_wire(stock_request(images=images)), ROBOTS)
    assert set(read.observation.images) == {camera.name for camera in ROBOT.cameras}


def test_when_an_optional_view_is_missing_and_another_there_expect_a_slip_of_the_pen():
    cameras = [c.model_copy(update={"optional": k > 0}) for k, c in enumerate(ROBOT.cameras)]
    robots = {ROBOT.name: ROBOT.model_copy(update={"cameras": tuple(cameras)})}
    first, second = (camera.name for camera in cameras)
    images = {first: np.zeros((8, 8, 3), np.uint8)}
    assert set(read_request(stock_request(images=images), robots).observation.images) == {first}
    with pytest.raises(RemoteError, match=f"lacks {second}, and has .*wrst"):
        read_request(stock_request(images=images | {"wrst": images[first]}), robots)


def test_when_a_client_sends_no_prompt_expect_the_servers_instruction_or_a_refusal_that_says_so():
    request = stock_request()
    del request["prompt"]  # openpi's examples/aloha_real/env.py sends none
    assert read_request(request, ROBOTS, "Go!").observation.instruction == "go"
    assert read_request(stock_request(), ROBOTS, "Go!").observation.instruction != "go"
    with pytest.raises(RemoteError, match="prompt is no text.*--instruction"):
        read_request(request, ROBOTS)


# Of openpi's examples/aloha_real/constants.py, PUPPET_GRIPPER_POSITION_UNNORMALIZE_FN, which is
# what the preset aloha_original has: 0, 0.25 and 1 are these finger positions, m.
FINGERS = {0.0: 0.01844, 0.25: 0.02833, 1.0: 0.058}


@pytest.mark.parametrize(("opening", "finger_m"), FINGERS.items())
def test_when_a_stock_aloha_asks_expect_its_grippers_between_0_closed_and_1_open(
    opening, finger_m
):
    aloha = load_embodiment(WIDOWX.with_name("aloha.yaml"))
    images = {camera.name: np.zeros((3, 8, 8), np.uint8) for camera in aloha.cameras}
    arm = [0.0, -0.96, 1.16, 0.0, -0.3, 0.0]
    state = np.array([*arm, opening, *arm, 1.0], np.float32)
    request = {"images": images, "state": state, "prompt": "x"}
    read = read_request(over_the_wire(request), {aloha.name: aloha})
    positions = read.observation.positions_D
    np.testing.assert_allclose(positions, [*arm, finger_m, *arm, 0.058], atol=1e-6)
    np.testing.assert_array_equal(read.observation.commanded_D, positions)
    np.testing.assert_allclose(to_stock(aloha, positions), state, atol=1e-6)
    units = describe_server("x", {aloha.name: aloha})["embodiments"]["aloha"]["joint_units"]
    assert units == [*["rad"] * 6, "0 closed .. 1 open"] * 2


def test_when_a_stock_client_sends_colours_first_expect_the_image_the_right_way():
    images = {c.name: np.zeros((3, 24, 32), np.uint8) for c in ROBOT.cameras}
    images[ROBOT.cameras[0].name][1, 2, 3] = 9
    read = read_request(over_the_wire(stock_request(images=images)), ROBOTS)
    image = read.observation.images[ROBOT.cameras[0].name]
    assert image.shape == (24, 32, 3) and image[2, 3, 1] == 9 and image.sum() == 9
    assert read.observation.instruction == "pick up the red block"
    assert (read.request_id, read.normalised, read.prefix) == (None, False, None)


IMAGE = np.zeros((8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"images": None}, "images"),
        ({"images": {}}, "images lacks"),
        ({"images": {"elsewhere": IMAGE}}, "elsewhere"),
        ({"images": {c.name: IMAGE.astype(float) for c in ROBOT.cameras}}, "uint8"),
        ({"images": {c.name: IMAGE[0] for c in ROBOT.cameras}}, "three dimensions"),
        ({"images": {c.name: IMAGE[..., :2] for c in ROBOT.cameras}}, "shape"),
        ({"images": {c.name: IMAGE[:0] for c in ROBOT.cameras}}, "shape"),
        ({"images": {c.name: np.zeros((1, 3000, 3), np.uint8) for c in ROBOT.cameras}}, "2048"),
        ({"history": [1]}, "images"),
        ({"state": np.zeros(3)}, "state"),
        ({"state": np.full(len(ROBOT.joint_names), np.nan)}, "state holds NaN"),
        ({"state": [True] * len(ROBOT.joint_names)}, "state"),
        ({"state": "1"}, "state"),
        ({"commanded": np.full(len(ROBOT.joint_names), np.inf)}, "commanded holds"),
        ({"prompt": 7}, "prompt"),
        ({"prompt": " "}, "instruction"),
        ({"prompt": "x" * 5000}, "instruction"),
        ({"embodiment": "aloha"}, "embodiment 'aloha'"),
        ({"embodiment": ["widowx"]}, "embodiment"),
        ({"deadline_s": 0}, "deadline_s"),
        ({"deadline_s": float("nan")}, "deadline_s"),
        ({"deadline_s": 1e9}, "deadline_s"),
        ({"stamp_s": float("inf")}, "stamp_s"),
        ({"request_id": "1"}, "request_id"),
        ({"prefix": 1}, "prefix"),
        ({"prefix": {"actions": np.zeros((99, 7), np.float32), "committed": 1}}, "prefix"),
        ({"prefix": {"actions": np.zeros((2, 1), np.float32), "committed": 1}}, "actions"),
        ({"prefix": {"actions": np.full((2, 7), np.nan), "committed": 1}}, "NaN"),
        ({"prefix": {"actions": np.zeros((2, 7), np.float32), "committed": 5}}, "prefix"),
        ({"prefix": {"actions": np.zeros((2, 7), np.float32), "committed": -1}}, "prefix"),
        ({"prefix": {"actions": np.zeros((2, 7), np.float32), "committed": 16}}, "committed"),
    ],
)
def test_when_a_key_holds_something_else_expect_refusal_by_its_name(changed, named):
    with pytest.raises(QwenVlaError, match=named):
        read_request(over_the_wire(stock_request(**changed)), ROBOTS)


def test_when_a_server_has_several_robots_expect_a_request_to_name_one():
    robots = ROBOTS | {"two_arms": robot(two_arms_text())}
    with pytest.raises(RemoteError, match="name one of widowx, two_arms"):
        read_request(stock_request(), robots)
    assert read_request(stock_request(embodiment="widowx"), robots).robot == "widowx"


SHAPE = (ROBOT.horizon, len(ROBOT.action_channels))


@pytest.mark.parametrize(
    ("actions", "why"),
    [
        (None, "no array"),
        (np.zeros(SHAPE[::-1]), "shape"),
        (np.zeros((1, *SHAPE)), "shape"),
        (np.zeros((SHAPE[0] - 1, SHAPE[1])), "shape"),
        (np.full(SHAPE, np.nan), "NaN"),
        (np.full(SHAPE, -np.inf), "infinity"),
        (np.full(SHAPE, 1.01), "-1 to 1"),
        (np.ones(SHAPE, bool), "no array"),
    ],
)
def test_when_an_answer_holds_something_else_expect_refusal(actions, why):
    with pytest.raises(RemoteError, match=why):
        read_answer({"actions": actions}, ROBOT)


def served():
    return over_the_wire(describe_server("scripted", ROBOTS))


def test_when_a_server_serves_the_same_robot_expect_it_to_be_accepted():
    assert check_server(served(), ROBOT) == ROBOT


def test_when_a_servers_model_sees_larger_views_expect_them_sent_in_that_size():
    larger = with_views(ROBOT, [(256, 224)] * len(ROBOT.cameras))
    adopted = check_server(describe_server("a", {ROBOT.name: larger}), ROBOT)
    assert adopted == larger
    sent = write_request(adopted, scene(ROBOT), None, 1, 1.0)["images"]
    assert {image.shape for image in sent.values()} == {(224, 256, 3)}


@pytest.mark.parametrize(
    "key",
    [
        "horizon",
        "action_hz",
        "action_channels",
        "action_q01",
        "state_q99",
        "cameras",
        "conventions",
    ]
    + ["camera_names", "joint_names", "prompt_words"],
)
def test_when_a_server_means_something_else_expect_refusal_that_names_it(key):
    server = served()
    described = server["embodiments"][ROBOT.name]
    value = described[key]
    described[key] = value[::-1] if isinstance(value, list) and len(value) > 1 else "another"
    with pytest.raises(CheckpointError, match=f"widowx with {key}"):
        check_server(server, ROBOT)


def test_when_a_server_serves_other_robots_expect_refusal_that_names_them():
    other = copy.deepcopy(served())
    other["embodiments"]["aloha"] = other["embodiments"].pop("widowx")
    with pytest.raises(CheckpointError, match="serves aloha and not widowx"):
        check_server(other, ROBOT)


@pytest.mark.parametrize(
    "server",
    [None, [], {}, {"protocol": "qwen_vla"}, {"protocol": "qwen_vla", "versions": 1}]
    + [{"protocol": "qwen_vla", "versions": {"protocol": 99}, "embodiments": {}}],
)
def test_when_a_server_does_not_say_what_it_is_expect_refusal(server):
    with pytest.raises(RemoteError):
        check_server(server, ROBOT)
