"""Which nodes run for an embodiment, and what is refused before any of them does."""

import json

import numpy as np
import pytest

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.resources import SHIPPED_CHECKPOINT, embodiments_directory
from qwen_vla_ros.bringup import (
    BringupError,
    check_policy,
    check_teleop,
    describe_bringup,
    describe_page,
)
from qwen_vla_ros.operator import Operator
from qwen_vla_ros.processes import NodeProcesses
from robots import base_text, robot, stranger

SHIPPED = str(SHIPPED_CHECKPOINT)


def shipped(name):
    return load_embodiment(embodiments_directory() / f"{name}.yaml")


@pytest.mark.parametrize("use_sim", [True, False])
def test_when_the_checkpoint_was_trained_for_the_robot_expect_it_to_pass(use_sim):
    assert check_policy(shipped("aloha"), SHIPPED, use_sim) is None


def test_when_the_checkpoint_was_not_trained_for_the_robot_expect_refusal_and_what_runs_without(
    tmp_path,
):
    unknown = load_embodiment(stranger(tmp_path))
    with pytest.raises(BringupError, match="not trained for stranger, only.*=hold .*=expert"):
        check_policy(unknown, SHIPPED, True)
    check_policy(unknown, "hold", True)
    check_policy(unknown, None, True)


def test_when_the_expert_is_to_drive_a_real_robot_expect_refusal():
    with pytest.raises(BringupError, match="use_sim:=true"):
        check_policy(shipped("widowx_mobile"), None, False)


def test_when_the_simulator_has_no_such_robot_expect_refusal():
    with pytest.raises(BringupError, match="cannot be simulated"):
        check_policy(robot(base_text()), None, True)


@pytest.mark.parametrize("text", [None, "{"])
def test_when_a_folder_is_no_checkpoint_expect_refusal(tmp_path, text):
    if text:
        (tmp_path / "embodiments.json").write_text(text)
    with pytest.raises(BringupError, match="is no checkpoint"):
        check_policy(shipped("aloha"), str(tmp_path), False)


def test_when_a_name_may_be_one_on_the_hub_expect_it_left_to_policy_node():
    assert check_policy(shipped("aloha"), "owner/model", False) is None


def test_when_an_episode_is_to_be_replayed_expect_it_left_to_policy_node(tmp_path):
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "info.json").write_text("{}")
    for recorded in (tmp_path, f"{tmp_path}:3", "recorded/1.npz"):
        assert check_policy(shipped("aloha"), str(recorded), False) is None


@pytest.mark.parametrize("use_sim", [True, False])
@pytest.mark.parametrize("checkpoint", [SHIPPED, None])
def test_when_a_namespace_is_given_expect_every_node_in_it(use_sim, checkpoint):
    nodes = describe_bringup(
        embodiment="x.yaml", checkpoint=checkpoint, use_sim=use_sim, namespace="/lab/left"
    )
    assert nodes and all("__ns:=/lab/left" in node.command() for node in nodes)
    assert {node.enclave for node in nodes} == {f"/lab/left/{node.name}" for node in nodes}
    plain = describe_bringup(embodiment="x.yaml", checkpoint=checkpoint, use_sim=use_sim)
    assert not any("__ns" in " ".join(node.command()) for node in plain)


@pytest.mark.timeout(180)
def test_when_the_expert_has_an_instruction_expect_it_to_drive_once_engaged(ros, tmp_path):
    path = embodiments_directory() / "widowx_mobile.yaml"
    nodes = describe_bringup(
        embodiment=str(path),
        checkpoint=None,
        use_sim=True,
        instruction="drive to the red block and pick it up",
    )
    operator = Operator(load_embodiment(path))
    with NodeProcesses(nodes, {}, tmp_path) as processes:
        try:
            operator.insist("engage_policy", timeout_s=60.0)
            moved = operator.wait(
                lambda: any(np.abs(velocity).max() > 0.05 for velocity in operator.velocities),
                30.0,
            )
            assert moved, (operator.mode, operator.diagnostics, processes.stopped())
        finally:
            operator.destroy_node()


def test_when_device_weights_and_log_level_are_named_expect_them_at_the_nodes():
    nodes = describe_bringup(
        embodiment="x.yaml",
        checkpoint=SHIPPED,
        use_sim=True,
        device="cuda:1",
        weights="int8",
        log_level="debug",
    )
    (policy,) = [node for node in nodes if node.name == "policy_node"]
    assert {'device:="cuda:1"', 'weights:="int8"'} <= set(policy.command())
    for node in nodes:
        assert f"{node.name}:=debug" in node.command()
    plain = describe_bringup(embodiment="x.yaml", checkpoint=SHIPPED, namespace="/lab/left")
    assert "lab.left.control_node:=info" in plain[0].command()
    assert not any("device" in node.parameters for node in plain)


@pytest.mark.parametrize("instruction", ["yes", "1", "a: b", "pick up the 'red' block"])
def test_when_an_instruction_looks_like_yaml_expect_it_as_text(instruction):
    nodes = describe_bringup(embodiment="x.yaml", checkpoint=SHIPPED, instruction=instruction)
    (policy,) = [node for node in nodes if node.name == "policy_node"]
    assert f"instruction:={json.dumps(instruction)}" in policy.command()


def test_when_a_teleop_device_is_named_expect_its_node_and_when_none_is_expect_no_such_node():
    with_joy = describe_bringup(embodiment="x.yaml", checkpoint=SHIPPED, teleop="joy")
    (node,) = [node for node in with_joy if node.name == "teleop_node"]
    assert node.parameters == {"embodiment": "x.yaml", "device": "joy", "dry_run": False}
    assert node.parameter_file.is_file()
    plain = describe_bringup(embodiment="x.yaml", checkpoint=SHIPPED)
    assert "teleop_node" not in {node.name for node in plain}


def test_when_it_is_to_be_recorded_expect_a_recorder_that_knows_policy_and_task():
    nodes = describe_bringup(
        embodiment="x.yaml", checkpoint=SHIPPED, instruction="fetch", use_sim=True, record=True
    )
    (node,) = [node for node in nodes if node.name == "recorder_node"]
    assert node.parameters == {
        "embodiment": "x.yaml",
        "checkpoint": SHIPPED,
        "instruction": "fetch",
        "simulated": True,
    }
    assert node.parameter_file.is_file()
    plain = describe_bringup(embodiment="x.yaml", checkpoint=SHIPPED)
    assert "recorder_node" not in {node.name for node in plain}


def test_when_a_robot_lacks_the_teleop_device_expect_refusal_with_those_that_it_has():
    base = shipped("mobile_base")
    check_teleop(base, "twist")
    check_teleop(base, "")
    with pytest.raises(BringupError, match="no teleop device 'leader' .there are: joy, keyboard"):
        check_teleop(base, "leader")
    with pytest.raises(BringupError, match="did you mean joy"):
        check_teleop(base, "joyy")


def test_when_a_page_is_requested_expect_its_node_and_when_it_is_not_expect_none():
    shown = describe_bringup(embodiment="x.yaml", checkpoint=SHIPPED, use_sim=True, view=True)
    (node,) = [node for node in shown if node.name == "page_node"]
    assert node.parameters == {"embodiment": "x.yaml", "simulated": True}
    plain = describe_bringup(embodiment="x.yaml", checkpoint=SHIPPED, use_sim=True)
    assert "page_node" not in {node.name for node in plain}
    other = describe_page(embodiment="x.yaml", simulated=False, namespace="/a/", port=9000)
    assert other.parameters["port"] == 9000 and "port:=9000" in other.command()
    assert other.namespace == "a"
