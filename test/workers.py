"""How the workers of pytest-xdist share the tests.

A file goes to one worker, so that what its fixtures load is loaded once. Tests marked ``alone``
are sorted to the end of the list, and a lock keeps every other test from running beside them.
"""

import fcntl

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Tests that must be alone go to the end, all to the same worker."""
    items.sort(key=_alone)  # stable: the rest stays in its order
    if hasattr(config, "workerinput"):
        for item in filter(_alone, items):
            # As xdist writes the group of xdist_group, which it reads before or after this hook.
            item._nodeid = f"{item.nodeid}@alone"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """One file at a time to whoever is free, in the order of collection."""
    from xdist.scheduler import LoadScopeScheduling

    class FileByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return "alone" if nodeid.endswith("@alone") else nodeid.partition("::")[0]

    config.option.loadscopereorder = False
    return FileByFile(config, log)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)  # before the test's time-out begins to run
def pytest_runtest_protocol(item):
    """Tests share a lock; one that must be alone waits until it has the lock for itself."""
    with open(__file__) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if _alone(item) else fcntl.LOCK_SH)
        yield
        fcntl.flock(lock, fcntl.LOCK_UN)  # a child process may still hold the file open


def _alone(item):
    return item.get_closest_marker("alone") is not None
