"""Who on the network can command a robot: kept to this computer in simulation, said otherwise."""

import pytest

from qwen_vla_ros.discovery import CHOSEN_BY, discovery_settings, who_can_command

HUMBLE = {"ROS_DISTRO": "humble"}
ENFORCED = {"ROS_SECURITY_ENABLE": "true", "ROS_SECURITY_STRATEGY": "Enforce"}


@pytest.mark.parametrize(
    ("environment", "setting"),
    [
        ({}, {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}),
        ({"ROS_DISTRO": "jazzy"}, {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}),
        (HUMBLE, {"ROS_LOCALHOST_ONLY": "1"}),
    ],
)
def test_when_simulated_expect_discovery_on_this_computer_only(environment, setting):
    assert discovery_settings(True, environment) == setting
    assert "this computer only" in who_can_command(environment | setting)


@pytest.mark.parametrize("name", CHOSEN_BY)
def test_when_somebody_chose_the_discovery_expect_their_choice_to_stay(name):
    assert discovery_settings(True, {name: "SUBNET"}) == {}


def test_when_the_robot_is_real_expect_nothing_changed_and_everyone_named_who_can_command():
    assert discovery_settings(False, {}) == {}
    said = who_can_command({"ROS_DOMAIN_ID": "7"})
    assert said.startswith("ROS domain 7, discovery range SUBNET: everyone on this network can")
    assert "everyone" in who_can_command(HUMBLE)
    assert "everyone" in who_can_command(ENFORCED | {"ROS_SECURITY_STRATEGY": "Permissive"})
    assert "only nodes with a key" in who_can_command(ENFORCED)
