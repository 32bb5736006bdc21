"""page_node beside control_node and teleop_node over DDS, and pages at real websockets."""

import json

import numpy as np
import pytest
import rclpy
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import Image, Joy
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from qwen_vla_ros.nodes.control_node import DISCOVERY_S
from qwen_vla_ros.nodes.page_node import PageNode
from qwen_vla_ros.nodes.teleop_node import TeleopNode
from qwen_vla_ros.page.find_robot import find_robot
from qwen_vla_ros.page.presence import GUARD_S
from robots import arm_on_base_text

TELEOP = "\nteleop: {default: keyboard, devices: [{type: keyboard}, {type: joy}]}\n"
LEFT = {"follower_left": [0.1, 0.2, 0.5, 0.03]}
STILL = [0.0] * 7
RELEASED, PRESSED = {"pressed": False}, {"pressed": True, "drive": True}
AHEAD = PRESSED | {"ahead": 1.0}


class Lab:
    """A robot with its nodes in a thread, and pages in ours."""

    def __init__(self, start_control, teleop):
        # A thread shared with a loaded machine may stand still for longer than a page would.
        text = (arm_on_base_text() + TELEOP).replace("teleop_s: 0.2", "teleop_s: 0.5")
        self.system = start_control(text, LEFT, base=True)
        self.operator = self.system.operator
        self.operator.destroy_publisher(self.system._teleop)  # teleop_node refuses two
        self.keys = []
        self.operator.create_subscription(Joy, "teleop/keyboard", self.keys.append, 10)
        self.page_node = PageNode()
        self.nodes, self.pages, self.repeated = [self.page_node], [], None
        if teleop:
            self.nodes.append(TeleopNode())
        for node in self.nodes:
            assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
            node.trigger_activate()
            self.system.spinning.executor.add_node(node)
        self.operator.create_timer(0.03, self._repeat)

    def _repeat(self):
        if self.repeated is not None:
            page, message = self.repeated
            page.hands(**message)

    def open(self):
        self.pages.append(Page(self))
        return self.pages[-1]

    def expect(self, condition, what):
        self.system.expect(condition, what)

    def mode(self, mode):
        self.expect(lambda: self.operator.mode.startswith(mode), f"control_node is in {mode}")

    def follow(self):
        """Engage, and go on with a chunk every 0.2 s that leads nowhere."""
        still_D = np.zeros(len(self.system.embodiment.joints))
        self.system.engage()
        self.operator.create_timer(0.2, lambda: self.system.plan(still_D))

    def close(self):
        for page in list(self.pages):
            page.close()
        self.system.spinning.end()
        for node in self.nodes:
            node.trigger_cleanup() if not node.active else node.trigger_shutdown()
            node.destroy_node()


class Page:
    """One page that confirms what it is shown, as long as it is not frozen."""

    def __init__(self, lab):
        url, token = lab.page_node.url.split("/#")
        self.lab, self.answers, self.state, self.images = lab, {}, {}, {}
        self.journal, self.frozen, self._count = [], False, 0
        self._socket = connect(url.replace("http", "ws") + "/live", origin=url)
        self.say(type="open", token=token)
        self.timer = lab.operator.create_timer(0.02, self.read)

    def say(self, **message):
        self._socket.send(json.dumps(message))

    def hands(self, pressed, drive=False, ahead=0.0):
        keys = {"pressed": pressed, "drive": drive, "next_arm": False}
        axes = [ahead, *STILL[1:]]
        self.say(type="hands", number=self.state["number"], axes=axes, **keys)

    def read(self):
        while not self.frozen:
            try:
                frame = self._socket.recv(timeout=0.0)
            except TimeoutError:
                return
            if isinstance(frame, bytes):
                self.images[frame[0]] = frame[1:]
                continue
            message = json.loads(frame)
            if message["type"] == "state":
                self.state = message
                self.say(type="seen", number=message["number"])
            elif message["type"] == "answer":
                self.answers[message["id"]] = message["granted"], message["text"]
            elif message["type"] == "journal":
                self.journal.append(message["text"])

    def ask(self, **message):
        self._count += 1
        number = self._count
        self.say(id=number, **message)
        self.lab.expect(lambda: number in self.answers, f"an answer to {message}")
        return self.answers[number]

    def request(self, name):
        return self.ask(type="request", name=name)

    def close(self):
        self.lab.pages.remove(self)
        self.lab.operator.destroy_timer(self.timer)
        self._socket.close()


@pytest.fixture
def lab(start_control, monkeypatch):
    labs = []

    def start(*, teleop=False):
        init = rclpy.init
        arguments = ["-p", "page_node:port:=0"]
        monkeypatch.setattr(
            rclpy, "init", lambda args, **options: init(args=args + arguments, **options)
        )
        labs.append(Lab(start_control, teleop))
        return labs[-1]

    yield start
    for one in labs:
        one.close()


def press(one, page):
    """Take the robot with a page's keys, which have to be seen released before."""
    one.operator.wait(lambda: False, DISCOVERY_S)
    one.repeated = page, RELEASED
    session = one.nodes[1]._session
    one.expect(lambda: session.phase.name == "READY", "the keys are seen released")
    one.repeated = page, PRESSED
    one.mode("TELEOP")


def test_when_a_person_uses_the_page_expect_control_nodes_own_answers_and_what_is_published(lab):
    one = lab()
    page = one.open()
    one.expect(lambda: page.state.get("mode") == "HOLD", "the page draws")
    granted, why = page.request("control/engage_policy")
    assert not granted and "policy: nothing received" in why
    granted, why = page.request("record/start")
    assert not granted and "no recorder_node is running" in why
    one.follow()
    one.expect(lambda: page.state["mode"] == "AUTONOMY", "the mode")
    one.expect(lambda: page.state["chunk"] and page.state["commanding"], "the chunk")
    joints = one.system.embodiment.joint_names
    waist = joints.index("left_waist")

    def shows(key, position):
        shown = page.state[key][waist]
        return shown is not None and np.isclose(shown, position, atol=0.02)

    one.expect(lambda: shows("measured", 0.1), "what is measured")
    one.expect(lambda: shows("command", one.system.messages[-1].position[waist]), "the command")
    assert len(page.state["chunk"]["positions"][0]) == len(joints)
    age_s, limit_s = {s[0]: s[1:] for s in page.state["streams"]}["/front/image_raw"]
    assert age_s is None and limit_s == 0.5
    assert page.request("control/hold") == (True, "hold")
    one.expect(lambda: page.state["mode"] == "HOLD", "held")
    assert page.request("control/estop")[0]
    one.expect(lambda: page.state["mode"] == "ESTOP", "stopped")
    granted, why = page.request("control/engage_policy")
    assert not granted and "reset first" in why
    assert page.request("control/reset")[0]
    refused = [line for line in page.journal if line.startswith("engage policy: refused: ")]
    assert "reset first" in refused[-1]
    late = one.open()
    one.expect(lambda: late.journal[-5:] == page.journal[-5:], "a later page gets the journal")


def test_when_cameras_and_instructions_come_and_go_expect_images_ages_and_words(lab):
    one = lab()
    page, told = one.open(), []
    one.operator.create_subscription(String, "policy/instruction", told.append, 10)
    camera = one.operator.create_publisher(Image, "/front/image_raw", 1)
    image = Image(height=48, width=64, encoding="rgb8", step=192, data=bytes(48 * 192))

    def look():
        image.header.stamp = one.operator.get_clock().now().to_msg()
        camera.publish(image)

    timer = one.operator.create_timer(0.05, look)
    one.expect(lambda: 0 in page.images, "an image")
    assert page.images[0].startswith(b"\xff\xd8")

    def age_s():
        return {s[0]: s[1] for s in page.state["streams"]}["/front/image_raw"]

    one.expect(lambda: page.state and age_s() is not None and age_s() < 0.5, "it is fresh")
    one.operator.destroy_timer(timer)
    one.expect(lambda: age_s() > 0.5, "it ages")
    one.system._chunk.publish(JointTrajectory(joint_names=["tail"]))
    one.expect(lambda: any("['tail']" in line for line in page.journal), "why it is not shown")
    assert page.ask(type="instruct", text=" ")[0] is False
    assert page.ask(type="instruct", text="Pick up\tit.") == (True, "pick up it")
    one.expect(lambda: told and told[-1].data == "pick up it", "the policy is told")
    one.expect(lambda: page.state["instruction"] == "pick up it", "and the page shows it")
    assert "no teleop_node" in page.ask(type="keys", on=True)[1]
    robot, simulated = find_robot("")
    assert robot.endswith("robot.yaml") and simulated is False


def test_when_a_page_drives_expect_the_base_to_follow_and_one_frozen_or_closed_to_stop_it(lab):
    one = lab(teleop=True)
    page, other = one.open(), one.open()
    one.expect(lambda: "teleop_node" in {n["name"] for n in page.state.get("nodes", [])}, "teleop")
    assert one.operator.count_publishers("teleop/keyboard") == 0
    assert page.ask(type="keys", on=True) == (True, "taken")
    assert "another page" in other.ask(type="keys", on=True)[1]
    one.expect(lambda: other.state, "the other page draws")
    other.hands(True, drive=True, ahead=1.0)
    press(one, page)
    one.repeated = page, AHEAD
    base = one.system.base
    one.expect(lambda: base.last and base.last[0] > 0.2, "it drives")
    one.repeated = None  # the tab is frozen
    one.system.stands()
    one.mode("HOLD")
    one.repeated = page, AHEAD  # as if nothing had been
    one.operator.wait(lambda: False, 0.5)
    assert base.last == (0.0, 0.0) and one.operator.mode.startswith("HOLD")
    page.hands(False)
    one.repeated = page, PRESSED  # let go and pressed again
    one.mode("TELEOP")
    one.repeated = None
    page.close()
    one.mode("HOLD")
    one.expect(lambda: one.operator.count_publishers("teleop/keyboard") == 0, "the keys are free")
    one.expect(lambda: not any(key.buttons[0] for key in one.keys[-1:]), "they are let go")


@pytest.mark.parametrize("how", ["closed", "frozen"])
def test_when_a_page_guards_autonomy_and_nobody_sees_it_expect_the_robot_to_be_held(lab, how):
    one = lab()
    page, other = one.open(), one.open()
    one.follow()
    assert page.ask(type="guard", on=True)[0]
    one.expect(lambda: other.state.get("guarded"), "all pages say so")
    other.close()
    one.operator.wait(lambda: False, 0.3)
    assert one.operator.mode.startswith("AUTONOMY")  # a page that guards nothing was closed
    if how == "frozen":
        page.frozen = True
    else:
        page.close()
    one.mode("HOLD: hold")


def test_when_a_guarding_page_is_not_seen_before_somebody_engages_expect_the_robot_to_be_held(lab):
    one = lab()
    page, other = one.open(), one.open()
    assert page.ask(type="guard", on=True)[0]
    page.frozen = True
    one.operator.wait(lambda: False, GUARD_S + 0.5)  # unseen, while nothing moves
    one.follow()
    one.mode("HOLD: hold")
    one.expect(lambda: any("not seen" in line for line in other.journal), "the journal says why")


def test_when_the_line_of_a_page_stalls_expect_what_moves_to_be_refused_and_stops_granted(lab):
    one = lab()
    page = one.open()
    one.expect(lambda: page.state, "the page draws")
    one.follow()
    one.operator.request("hold")
    page.frozen = True  # as where what it says comes seconds later
    one.operator.wait(lambda: False, GUARD_S + 0.5)
    page.say(type="request", id=11, name="control/engage_policy")
    page.say(type="request", id=12, name="control/go_to_start")
    page.say(type="instruct", id=13, text="go")
    page.say(type="request", id=14, name="control/estop")
    one.mode("ESTOP")
    modes = one.system.modes
    one.expect(lambda: modes[-1][1].startswith("ESTOP"), "it is stopped")
    assert modes[-2][1].startswith("HOLD")  # and nothing in between
    page.frozen = False
    one.expect(lambda: len(page.answers) == 4, "all are answered")
    for number in (11, 12, 13):
        granted, why = page.answers[number]
        assert not granted and "press again" in why
    assert page.answers[14][0]
    assert page.request("control/reset")[0]
    assert page.request("control/go_to_start")[0]


def test_when_a_guarding_pages_hold_is_lost_expect_it_asked_for_again(lab, monkeypatch):
    one = lab()
    page = one.open()
    assert page.ask(type="guard", on=True)[0]
    one.follow()
    one.mode("AUTONOMY")
    asked, call = [], one.page_node._requests.call

    def lossy(name, answer):
        asked.append(name)
        if len(asked) > 1:
            call(name, answer)

    monkeypatch.setattr(one.page_node._requests, "call", lossy)
    page.close()
    one.mode("HOLD: hold")
    assert asked[:2] == ["control/hold"] * 2


def test_when_page_node_is_inactive_expect_nothing_granted_and_the_keys_given_back(lab):
    one = lab(teleop=True)
    page = one.open()
    one.expect(lambda: "teleop_node" in {n["name"] for n in page.state.get("nodes", [])}, "teleop")
    assert page.ask(type="keys", on=True)[0]
    press(one, page)
    one.operator.set_active("page_node", False)
    one.mode("HOLD")
    for message in (
        {"type": "guard", "on": True},
        {"type": "keys", "on": True},
        {"type": "request", "name": "control/reset"},
        {"type": "instruct", "text": "go"},
    ):
        assert page.ask(**message) == (False, "page_node is not active"), message
    one.operator.set_active("page_node", True)
    # Meanwhile the last that teleop_node said may have grown old.
    one.expect(lambda: page.ask(type="keys", on=True)[0], "the keys are given again")


def test_when_page_node_is_shut_down_expect_its_pages_disconnected_and_nobody_served(lab):
    one = lab()
    page = one.open()
    one.expect(lambda: page.state, "the page draws")
    page.frozen = True
    one.system.spinning.executor.remove_node(one.page_node)
    assert one.page_node.trigger_shutdown() == TransitionCallbackReturn.SUCCESS
    with pytest.raises(ConnectionClosed):
        while True:  # what was sent before
            page._socket.recv(timeout=5.0)
    with pytest.raises(ConnectionRefusedError):
        one.open()
    one.nodes.remove(one.page_node)
    one.page_node.destroy_node()
