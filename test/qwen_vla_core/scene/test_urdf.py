"""The robot in primitive shapes: valid URDF, with the joints and limits of the embodiment."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from qwen_vla_core.embodiment import load_embodiment, parse_embodiment
from qwen_vla_core.embodiment.kinematics import ArmKinematics
from qwen_vla_core.scene import RobotModel, arm_urdf, robot_urdf, scene_frame
from qwen_vla_core.scene.urdf import arms
from robots import arm_on_base_text, robot, two_arms_text

PATHS = sorted((Path(__file__).parents[3] / "embodiments").glob("*.yaml"))
robots = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def links_and_parents(text):
    tree = ElementTree.fromstring(text)
    links = [link.get("name") for link in tree.iter("link")]
    parents = {
        joint.find("child").get("link"): joint.find("parent").get("link")
        for joint in tree.findall("joint")
    }
    return links, parents


@robots
def test_when_a_robot_is_described_expect_one_tree_with_the_joints_of_the_file(path):
    embodiment = load_embodiment(path)
    text = robot_urdf(embodiment)
    links, parents = links_and_parents(text)
    assert len(set(links)) == len(links)
    assert [link for link in links if link not in parents] == [scene_frame(embodiment)]
    assert set(parents) | set(parents.values()) == set(links)
    joints = {j.get("name"): j for j in ElementTree.fromstring(text).findall("joint")}
    for joint in embodiment.joints:
        assert joint.name in joints
        if not joint.name.startswith("base_"):
            limit = joints[joint.name].find("limit")
            assert float(limit.get("lower")) == joint.lower
            assert float(limit.get("upper")) == joint.upper


@robots
def test_when_each_arm_is_described_alone_expect_the_frames_of_the_whole_robot(path):
    embodiment = load_embodiment(path)
    whole = set(links_and_parents(robot_urdf(embodiment))[0])
    for arm in arms(embodiment):
        links, parents = links_and_parents(arm_urdf(embodiment, arm))
        (root,) = [link for link in links if link not in parents]
        assert root == f"{arm.driver.namespace}/base_link"
        assert set(links) <= whole


@robots
def test_when_joints_move_expect_the_tools_where_inverse_kinematics_has_them(path):
    embodiment = load_embodiment(path)
    model = RobotModel(embodiment)
    rng = np.random.default_rng(0)
    lower_D = np.array([joint.lower for joint in embodiment.joints])
    upper_D = np.array([joint.upper for joint in embodiment.joints])
    for positions_D in rng.uniform(lower_D, upper_D, (5, len(lower_D))):
        positions_D[np.array(embodiment.base_D)] = 0.0
        model.move(positions_D)
        for arm in arms(embodiment):
            rows = embodiment.group_slice(arm.name)
            tool = ArmKinematics(arm).forward(positions_D[rows])[:3, 3]
            expected = tool + arm.action.kinematics.mount_m
            np.testing.assert_allclose(model.tools()[arm.name], expected, atol=1e-9)


def test_when_an_arm_is_mounted_turned_expect_its_tool_turned():
    path = next(path for path in PATHS if path.stem == "aloha")
    mount = "mount_m: [0.5, 0.25, 0.0]"
    text = path.read_text().replace(mount, f"{mount}\n        mount_rpy_rad: [0, 0, 3.14159265]")
    straight, turned = (parse_embodiment(t, "x") for t in (path.read_text(), text))
    places = []
    for embodiment in (straight, turned):
        model = RobotModel(embodiment)
        model.move(np.array(embodiment.start_D))
        places.append(model.tools()["left_arm"] - [0.5, 0.25, 0.0])
    np.testing.assert_allclose(places[1], places[0] * [-1.0, -1.0, 1.0], atol=1e-6)


@pytest.mark.parametrize("text", [two_arms_text(), arm_on_base_text()])
def test_when_no_chain_is_given_expect_the_rest_of_the_robot(text):
    embodiment = robot(text)
    model = RobotModel(embodiment)
    model.move(np.zeros(len(embodiment.joints)))
    assert model.tools() == {}
    assert model.joint_place("left_waist") is None
    assert scene_frame(embodiment) in model.links
