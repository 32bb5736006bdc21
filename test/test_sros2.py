"""The SROS2 policies allow each node exactly what it has on the network, and nobody more."""

import pytest

from sros2_policy import FOLDER, NODES, PERSON, ROOT, access_of, allowed_in, persons

ROBOTS = sorted((ROOT / "embodiments").glob("*.yaml"))


@pytest.mark.parametrize("robot", ROBOTS, ids=lambda path: path.stem)
def test_when_nodes_are_connected_expect_the_policy_to_allow_that_and_no_more(robot, ros_domain):
    access = access_of(robot, ros_domain)
    allowed = allowed_in(FOLDER / f"{robot.stem}.policy.xml")
    again = "run: python test/sros2_policy.py"
    assert set(allowed) == {*NODES, PERSON}
    for name in NODES:
        for rule, names in access[name].items():
            assert allowed[name][rule] == names, f"{name} {rule}; {again}"
    for rule, names in persons(access).items():
        assert allowed[PERSON][rule] == names, f"{PERSON} {rule}; {again}"


@pytest.mark.parametrize("robot", ROBOTS, ids=lambda path: path.stem)
def test_when_policies_are_compared_expect_only_control_to_command_and_only_policy_to_plan(robot):
    allowed = allowed_in(FOLDER / f"{robot.stem}.policy.xml")
    publishers = {name: rules["topics", "publish"] for name, rules in allowed.items()}
    for topic in set().union(*publishers.values()):
        if "/commands/" in topic or topic.endswith("cmd_vel"):
            assert [name for name in publishers if topic in publishers[name]] == ["control_node"]
    assert [name for name in publishers if "policy/chunk" in publishers[name]] == ["policy_node"]
    assert [name for name in publishers if "estop" in publishers[name]] == [PERSON]
    assert all(
        "*" not in name for rules in allowed.values() for names in rules.values() for name in names
    )
