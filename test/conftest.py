"""Every test gets a ROS domain of its own, on this machine only: tests never meet each other, a
demo, or a robot."""

import itertools
import os
import signal

import pytest
from domain_coordinator import domain_id

from quick_selection import pytest_ignore_collect  # noqa: F401  pytest finds its hook here

# Threads of one small product wait for each other: with two of them, as soon as anything else runs
# on a core, the tests of the model take up to ten times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What a script runs in the background begins with SIGINT ignored, and so would all it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
# Workers walk a quarter of a circle apart, so that none takes a domain another has just left.
_DOMAINS = itertools.count(25 * _WORKER + os.getpid())


@pytest.fixture(autouse=True)
def ros_domain(monkeypatch):
    """The domain of this test, 1 to 100; child processes inherit it through the environment.

    No other test, nor another run of the tests, has it at the same time: domain_coordinator
    reserves it by binding a port.
    """
    with domain_id(lambda: next(_DOMAINS) % 100 + 1) as domain:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
        monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        yield domain


@pytest.fixture
def ros(ros_domain):
    """rclpy, initialised in the test's domain and shut down after it."""
    import rclpy

    rclpy.init(domain_id=ros_domain)
    yield rclpy
    rclpy.try_shutdown()
