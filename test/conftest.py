"""Every test gets a ROS domain of its own, on this machine only: tests never meet each other, a
demo, or a robot."""

import itertools
import os
import signal

import pytest

# Threads of one small product wait for each other: with two of them, as soon as anything else runs
# on a core, the tests of the model take up to ten times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What a script runs in the background begins with SIGINT ignored, and so would all it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

_DOMAINS = itertools.count(os.getpid())


@pytest.fixture(autouse=True)
def ros_domain(monkeypatch):
    """The domain of this test; child processes inherit it through the environment."""
    # Domains up to 101 leave their ports outside the range the kernel hands out itself.
    domain = next(_DOMAINS) % 101 + 1
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    return domain


@pytest.fixture
def ros(ros_domain):
    """rclpy, initialised in the test's domain and shut down after it."""
    import rclpy

    rclpy.init(domain_id=ros_domain)
    yield rclpy
    rclpy.try_shutdown()
