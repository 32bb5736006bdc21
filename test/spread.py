"""How the workers of `make test` share the tests: by file, and long ones that share nothing alone.

A file stays whole, so that what its fixtures load is loaded once. Of the files below, each test
goes to whichever worker is free: one worker with all of them would be the last by a minute.
"""

import pytest

APART = {"test/qwen_vla_eval/test_episodes.py"}


@pytest.hookimpl(optionalhook=True)  # where pytest-xdist is
def pytest_xdist_make_scheduler(config, log):
    """In the place of ``--dist loadfile``."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Spread(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return nodeid if file in APART else file

    return Spread(config, log)
