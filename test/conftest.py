"""Every test gets a ROS domain of its own, on this machine only: tests never meet each other, a
demo, or a robot."""

import gc
import os
import signal
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, settings

from quick_selection import pytest_ignore_collect  # noqa: F401  pytest finds its hook here
from qwen_vla_core.errors import QwenVlaError
from ros_domains import reserved_domain

# Threads of one small product wait for each other: with two of them, as soon as anything else runs
# on a core, the tests of the model take up to ten times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# An example may take long where other programs run: by default 0.2 s are an error.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# Begun first: a file stays with one worker, and as the last one it would keep that one busy alone.
LONG_FILES = {
    "test_episodes.py",
    "test_process.py",
    "test_sim_node_process.py",
    "test_slate_endpoint.py",
    "test_wiggle.py",
}

# Before any test imports mujoco, which reads then how to render.
with suppress(QwenVlaError):  # said by the tests that need it
    import qwen_vla_sim  # noqa: F401

# What a script runs in the background begins with SIGINT ignored, and so would all it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
# So does SIGHUP under nohup; what is handled here, what is started has as usual again.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda number, frame: None)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What all test files import is no garbage: to look through it took a sixth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in LONG_FILES)


def pytest_collection_finish():
    """It stays for good: no later collection of garbage looks through it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def ros_domain():
    """The domain of this test."""
    with reserved_domain() as domain:
        yield domain


@pytest.fixture
def ros(ros_domain):
    """rclpy, initialised in the test's domain and shut down after it."""
    import rclpy

    rclpy.init(domain_id=ros_domain)
    yield rclpy
    rclpy.try_shutdown()
