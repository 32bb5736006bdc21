"""What killed processes leave in shared memory is counted, and what lives is not."""

import subprocess
import sys

import pytest

from qwen_vla_ros.left_behind import ports_left_behind
from ros_domains import reserved_domain

PARTICIPANT = """
import rclpy
rclpy.init()
node = rclpy.create_node("short_lived")
print("here", flush=True)
rclpy.spin(node)
"""


@pytest.fixture
def ros_domain():
    """None of this file's, in which nothing would use shared memory."""


def test_when_a_process_is_killed_expect_its_ports_counted_from_then_on():
    with reserved_domain(shared_memory=True):
        process = subprocess.Popen([sys.executable, "-c", PARTICIPANT], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline()
        lives = ports_left_behind()
    finally:
        process.kill()
        process.communicate()
    assert ports_left_behind() > lives


def test_when_the_folder_has_none_or_is_not_there_expect_none(tmp_path):
    (tmp_path / "fastrtps_port7411").touch()
    assert ports_left_behind(tmp_path) == 0
    assert ports_left_behind(tmp_path / "none") == 0
    (tmp_path / "fastrtps_port7411_el").touch()
    assert ports_left_behind(tmp_path) == 1
