"""What `colcon test` runs: a quick selection, in a minute. All tests run with `make test`.

It is recognised by the prefix that colcon has pytest write into its results, and left alone when
somebody names tests (``colcon test --pytest-args test/...``).
"""

from pathlib import Path

from _pytest.config import Config

PACKAGE = "qwen_vla_ros"
TEST = Path(__file__).parent
QUICK = [
    TEST / name
    for name in (
        "qwen_vla_core",
        "qwen_vla_ros/launching",
        "qwen_vla_ros/test_bringup.py",
        "qwen_vla_ros/test_discovery.py",
        "test_embodiments.py",
        "test_launch.py",
        "test_layering.py",
    )
]


def pytest_ignore_collect(collection_path, config):
    """Leave out what is not quick."""
    if config.option.junitprefix != PACKAGE:
        return None
    if config.args_source is not Config.ArgsSource.TESTPATHS:
        return None
    chosen = any(
        quick.is_relative_to(collection_path) or collection_path.is_relative_to(quick)
        for quick in QUICK
    )
    return None if chosen else True
