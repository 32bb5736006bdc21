"""ROS domains for tests: no other test, nor another run of the tests, has the same at a time."""

import itertools
import os
from contextlib import contextmanager

import pytest
from domain_coordinator import domain_id

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
# Workers walk half a circle apart, so that none takes a domain another has just left.
_DOMAINS = itertools.count(50 * _WORKER + os.getpid())


@contextmanager
def reserved_domain():
    """A domain, 1 to 100, on this machine only; child processes inherit it.

    domain_coordinator reserves it by binding a port.
    """
    with (
        domain_id(lambda: next(_DOMAINS) % 100 + 1) as domain,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("ROS_DOMAIN_ID", str(domain))
        environment.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        yield domain
