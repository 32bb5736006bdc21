"""ROS domains for tests: no other test, nor another run of the tests, has the same at a time."""

import gc
import itertools
import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import rclpy
from domain_coordinator import domain_id

from qwen_vla_ros.transport import images_can_wait, udp_only

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_OF_EACH = 100 // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
# Each worker walks through domains of its own, and meets one again after all others: a node that
# was killed there is still found for 20 s. A run begins elsewhere than the one before it.
_NEXT = (_WORKER * _OF_EACH + 1 + step % _OF_EACH for step in itertools.count(os.getpid()))

_AGAIN = []
SHORT_S = 0.5
"""No process can be started and killed in this time, to import rclpy takes longer: the next test
may have the same domain. Many short tests would soon use up all of them."""


def _on_the_network():
    """How many contexts of this process are: each has a thread of Fast DDS."""
    found = 0
    for name in Path("/proc/self/task").glob("*/comm"):
        with suppress(OSError):  # a thread that has just ended
            found += name.read_text().startswith("dds.ev")
    return found


@contextmanager
def reserved_domain(shared_memory=False):
    """A domain, 1 to 100, on this machine only; child processes inherit it.

    domain_coordinator reserves it by binding a port. Without shared memory, because a process that
    a test kills would stop all others that use it.
    """
    # A node stays on the network until Python finds that nobody has it any more, destroyed or not:
    # nodes of earlier tests were found in the domain of later ones.
    if _on_the_network():
        gc.collect()
        # What is left is looked through no more: after torch and transformers that took 0.2 s of
        # computing before each test.
        if not _on_the_network():
            gc.freeze()
    before = _on_the_network()
    with (
        domain_id(lambda: _AGAIN.pop() if _AGAIN else next(_NEXT)) as domain,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("ROS_DOMAIN_ID", str(domain))
        environment.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        if images_can_wait() and not shared_memory:
            rmw = rclpy.get_rmw_implementation_identifier()
            for name, value in udp_only(rmw, os.environ).items():
                environment.setenv(name, value)
        began_s = time.monotonic()
        yield domain
        # Nor has it left anything there: a node that is still held by its thread would be found.
        if time.monotonic() - began_s < SHORT_S and _on_the_network() <= before:
            _AGAIN.append(domain)
