"""What a colcon workspace gets: the same repository, built as a ROS package."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = "qwen_vla_ros"


def files_below(folder):
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def colcon(verb, bases, *arguments):
    """Run colcon on this repository, with all that it writes below ``bases``."""
    return subprocess.run(
        [
            *(Path(sys.executable).with_name("colcon"), "--log-base", bases / "log"),
            *(verb, "--base-paths", REPOSITORY),
            *("--build-base", bases / "build", "--install-base", bases / "install"),
            *("--event-handlers", "console_direct+"),
            *arguments,
        ],
        cwd=bases,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace in which the package was built."""
    bases = tmp_path_factory.mktemp("workspace")
    build = colcon("build", bases)
    assert build.returncode == 0, build.stdout + build.stderr
    return bases


def results(bases):
    """The suite that `colcon test` leaves: attributes tests, failures, errors."""
    (path,) = bases.rglob("pytest.xml")
    suites = ElementTree.parse(path).getroot()
    return suites if suites.tag == "testsuite" else suites.find("testsuite")


@pytest.mark.long
@pytest.mark.timeout(300)
def test_when_colcon_tests_expect_a_quick_selection_to_run(workspace):
    # Of the selection only this part: all of it runs in the same tests as this one anyway.
    part = "test_modes or closed_loop"
    run = colcon("test", workspace, "--return-code-on-test-failure", "--pytest-args", "-k", part)
    suite = results(workspace)
    assert run.returncode == 0, run.stdout[-3000:]
    assert int(suite.get("tests")) > 50
    assert int(suite.get("failures")) == int(suite.get("errors")) == 0
    files = {case.get("classname") for case in suite.iter("testcase")}
    assert not any("closed_loop" in name for name in files)  # not quick


def test_when_a_test_fails_expect_colcon_to_say_so(workspace, tmp_path):
    failing = tmp_path / "test_failing.py"
    failing.write_text("def test_when_it_runs_expect_failure():\n    assert False\n")
    run = colcon("test", workspace, "--return-code-on-test-failure", "--pytest-args", str(failing))
    assert run.returncode != 0
    assert results(workspace).get("failures") == "1"
    told = colcon_result(workspace)
    assert told.returncode != 0 and "1 failure" in told.stdout, told


def colcon_result(bases):
    return subprocess.run(
        [Path(sys.executable).with_name("colcon"), "test-result", "--test-result-base", "build"],
        cwd=bases,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def prefix(workspace):
    """The package's install space after one build."""
    bases = workspace
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
    for name in (
        "qwen-vla",
        "policy_node",
        "control_node",
        "teleop_node",
        "page_node",
        "visualizer_node",
        "sim_node",
    ):
        assert os.access(executables / name, os.X_OK), name


def test_when_the_workspace_is_sourced_expect_qwen_vla_to_be_a_command(workspace):
    run = subprocess.run(
        ["bash", "-c", ". install/setup.bash && command -v qwen-vla && qwen-vla --version"],
        env={**os.environ, "PATH": "/usr/bin:/bin"},
        cwd=workspace,
        capture_output=True,
        text=True,
    )
    assert run.stdout.startswith(f"{workspace}/install/"), run.stdout + run.stderr
    assert run.returncode == 0, run.stderr


def test_when_colcon_links_instead_of_copying_expect_setup_to_find_the_requirements(tmp_path):
    for name in ("setup.py", "setup.cfg", "package.xml", "src"):  # all that colcon links
        (tmp_path / name).symlink_to(REPOSITORY / name)
    subprocess.run([sys.executable, "setup.py", "--name"], cwd=tmp_path, check=True)


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
