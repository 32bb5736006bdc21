"""What tests of control_node share."""

import pytest

from control_system import System


@pytest.fixture
def start_control(tmp_path, ros_domain):
    systems = []

    def start(*args, **kwargs):
        systems.append(System(args[0], tmp_path, ros_domain, *args[1:], **kwargs))
        return systems[-1]

    yield start
    for system in systems:
        system.close()
