"""Nodes that command a robot never wait for a lock in shared memory."""

import subprocess
import sys
from pathlib import Path

import pytest
import rclpy

from qwen_vla_ros import transport
from qwen_vla_ros.discovery import who_can_command
from qwen_vla_ros.transport import CHOSEN_BY, RECEIVE_BYTES, simulation_settings, udp_only
from robots import one_arm_text, robot

FAST_DDS = "rmw_fastrtps_cpp"
LOCALHOST = [{"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}, {"ROS_LOCALHOST_ONLY": "1"}]


@pytest.mark.parametrize("environment", [{}, *LOCALHOST])
def test_when_fast_dds_is_used_expect_a_profile_that_is_there(environment):
    settings = udp_only(FAST_DDS, environment)
    profile = Path(settings["FASTRTPS_DEFAULT_PROFILES_FILE"]).read_text()
    assert "<useBuiltinTransports>false</useBuiltinTransports>" in profile
    assert ("<address>127.0.0.1</address>" in profile) == bool(environment)


@pytest.mark.parametrize("environment", LOCALHOST)
def test_when_nodes_are_for_this_computer_only_expect_ros_not_to_add_shared_memory(environment):
    settings = environment | udp_only(FAST_DDS, environment)
    assert settings["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SYSTEM_DEFAULT"
    assert settings.get("ROS_LOCALHOST_ONLY", "0") == "0"
    assert "this computer only" in who_can_command(settings)


def test_when_a_robot_is_simulated_expect_no_shared_memory_unless_its_images_are_large(
    monkeypatch, tmp_path
):
    monkeypatch.setattr(rclpy, "get_rmw_implementation_identifier", lambda: FAST_DDS)
    monkeypatch.setattr(transport, "LARGEST_BUFFER", tmp_path / "rmem_max")
    (tmp_path / "rmem_max").write_text("212992\n")
    assert simulation_settings([robot(one_arm_text())], LOCALHOST[0]) == {}
    (tmp_path / "rmem_max").write_text(f"{RECEIVE_BYTES}\n")
    small = robot(one_arm_text())
    assert simulation_settings([small], LOCALHOST[0])["ROS_AUTOMATIC_DISCOVERY_RANGE"]
    camera = small.cameras[0].model_copy(update={"width": 640, "height": 480})
    large = small.model_copy(update={"cameras": (camera,)})
    assert simulation_settings([small, large], LOCALHOST[0]) == {}
    assert simulation_settings([], LOCALHOST[0]) == {}


def test_when_our_own_profile_is_set_already_expect_the_range_to_be_ours_again():
    ours = LOCALHOST[0] | udp_only(FAST_DDS, LOCALHOST[0])
    assert udp_only(FAST_DDS, ours | LOCALHOST[0]) == udp_only(FAST_DDS, LOCALHOST[0])


def test_when_the_network_is_somebody_s_own_or_not_fast_dds_expect_nothing_changed():
    assert all(udp_only(FAST_DDS, {name: "x"}) == {} for name in CHOSEN_BY)
    assert udp_only(FAST_DDS, {"ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF"}) == {}
    assert udp_only("rmw_cyclonedds_cpp", LOCALHOST[0]) == {}


@pytest.mark.parametrize("node", ["control_node", "teleop_node"])
def test_when_a_node_commands_a_robot_expect_no_thread_of_shared_memory(node):
    command = [sys.executable, "-m", f"qwen_vla_ros.nodes.{node}", "--ros-args", "-p"]
    process = subprocess.Popen([*command, "embodiment:=widowx"], stderr=subprocess.PIPE)
    try:
        assert b"INFO" in process.stderr.readline()  # it speaks, so it is on the network
        tasks = Path(f"/proc/{process.pid}/task").glob("*/comm")
        threads = [task.read_text().strip() for task in tasks]
    finally:
        process.kill()
        process.communicate()
    assert [name for name in threads if "dds.udp" in name]
    assert not [name for name in threads if "shm" in name]
