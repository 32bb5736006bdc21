"""What tests of control_node share."""

import pytest

from control_system import System
from qwen_vla_ros.nodes import control_node
from teleop_person import Person


@pytest.fixture
def start_control(tmp_path, ros_domain, monkeypatch):
    # In one process nodes discover each other in milliseconds.
    monkeypatch.setattr(control_node, "DISCOVERY_S", 0.3)
    systems = []

    def start(*args, **kwargs):
        systems.append(System(args[0], tmp_path, ros_domain, *args[1:], **kwargs))
        return systems[-1]

    yield start
    for system in systems:
        system.close()


@pytest.fixture
def start_person(start_control):
    """Starts control_node, a robot, and teleop_node with a device."""
    people = []

    def start(text, arms, device, *arguments):
        arguments = ("-p", f"teleop_node:device:={device}", *arguments)
        base = "mobile_base: true" in text
        # A thread shared with a loaded machine may stand still for longer than a device would.
        text = text.replace("teleop_s: 0.2", "teleop_s: 0.5")
        people.append(Person(start_control(text, arms, base=base, arguments=arguments)))
        return people[-1]

    yield start
    for person in people:
        person.close()
