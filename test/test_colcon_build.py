"""What a colcon workspace gets: the same repository, built as a ROS package."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = "qwen_vla_ros"


def files_below(folder):
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """The package's install space after one build."""
    bases = tmp_path_factory.mktemp("workspace")
    colcon = Path(sys.executable).with_name("colcon")
    build = subprocess.run(
        [
            *(colcon, "--log-base", bases / "log"),
            *("build", "--base-paths", REPOSITORY),
            *("--build-base", bases / "build", "--install-base", bases / "install"),
            *("--event-handlers", "console_direct+"),
        ],
        cwd=bases,
        capture_output=True,
        text=True,
    )
    assert build.returncode == 0, build.stdout + build.stderr
    # One package: the messages below src/interfaces must not shadow a robot's own workspace.
    assert [path.name for path in (bases / "install").iterdir() if path.is_dir()] == [PACKAGE]
    return bases / "install" / PACKAGE


@pytest.fixture(scope="module")
def site_packages(prefix):
    (folder,) = prefix.glob("lib/python*/site-packages")
    return folder


@pytest.mark.parametrize("folder", ["launch", "config", "embodiments", "rviz"])
def test_when_built_expect_the_folder_in_the_package_share(prefix, folder):
    wanted = files_below(REPOSITORY / folder)
    assert wanted
    assert files_below(prefix / "share" / PACKAGE / folder) == wanted


def test_when_built_expect_ros_to_find_package_and_executables(prefix):
    assert (prefix / "share/ament_index/resource_index/packages" / PACKAGE).is_file()
    assert (prefix / "share" / PACKAGE / "package.xml").is_file()
    executables = prefix / "lib" / PACKAGE
    for name in ("qwen-vla", "policy_node", "control_node", "sim_node"):
        assert os.access(executables / name, os.X_OK), name


def test_when_built_expect_all_files_of_the_python_packages(site_packages):
    src = REPOSITORY / "src"
    for package in src.glob("qwen_vla_*/"):
        if package.suffix != ".egg-info":
            wanted = files_below(package)
            assert files_below(site_packages / package.name) == wanted, package.name


def test_when_built_expect_python_to_import_from_the_install_space(site_packages, tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", "import qwen_vla_core; print(qwen_vla_core.__file__)"],
        env={**os.environ, "PYTHONPATH": str(site_packages)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert Path(run.stdout.strip()).is_relative_to(site_packages)
