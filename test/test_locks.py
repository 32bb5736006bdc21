"""What set-up installs: locks/, one pair of files for each supported Python."""

import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[1]
PYTHONS = ("3.10", "3.11", "3.12")
NOT_LOCKED = {"requirements-docs.txt", "requirements-adapters.txt", "requirements-fleet.txt"}
"""Installed into an environment of its own, or by who wants it, with what its pins ask for."""
REQUIREMENTS = sorted({path.name for path in REPOSITORY.glob("requirements*.txt")} - NOT_LOCKED)
THIS_PYTHON = "{}.{}".format(*sys.version_info)

CUDA = re.compile("torch$|triton$|nvidia-|cuda-")


def read_lock(name):
    """Package -> version; a line that holds anything else fails."""
    line = re.compile(r"(\S+)==(\S+)( --hash=sha256:[0-9a-f]{64})+  # [0-9]+\.[0-9] MB")
    lines = (REPOSITORY / "locks" / name).read_text().splitlines()
    return {match[1]: match[2] for match in map(line.fullmatch, lines[1:])}


def whole_lock(python):
    return read_lock(f"{python}.txt") | read_lock(f"{python}-cuda.txt")


def pins(requirements, python):
    """What a requirements file asks for with a Python version."""
    for line in (REPOSITORY / requirements).read_text().splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            marker = requirement.marker
            if marker is None or marker.evaluate({"python_version": python}):
                yield requirement


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("requirements", REQUIREMENTS)
def test_when_a_requirement_is_pinned_expect_that_version_in_the_lock(requirements, python):
    locked = whole_lock(python)
    wanted = {canonicalize_name(r.name): str(r.specifier) for r in pins(requirements, python)}
    assert wanted
    assert {name: f"=={locked.get(name)}" for name in wanted} == wanted, "run `make lock`"


@pytest.mark.parametrize("python", PYTHONS)
def test_when_there_is_no_gpu_expect_nothing_of_cuda_to_be_fetched(python):
    assert [name for name in read_lock(f"{python}.txt") if CUDA.match(name)] == []
    assert read_lock(f"{python}-cuda.txt")["torch"]


def test_when_a_locked_package_needs_another_expect_it_in_the_lock():
    """Nothing is searched for at set-up: what is missing here would be missing for good."""
    locked = whole_lock(THIS_PYTHON)
    needed = {}
    for distribution in distributions():
        name = canonicalize_name(distribution.name)
        if name in locked:
            for line in distribution.requires or ():
                requirement = Requirement(line)
                if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                    needed.setdefault(canonicalize_name(requirement.name), name)
    assert len(needed) > 100
    assert {name: by for name, by in needed.items() if name not in locked} == {}


@pytest.mark.parametrize(("distribution", "python"), [("humble", "3.10"), ("jazzy", "3.12")])
def test_when_a_ros_distribution_is_beside_expect_what_its_own_packages_work_with(
    distribution, python
):
    locked = read_lock(f"{distribution}.txt")
    assert locked["numpy"].startswith("1.26."), "its cv_bridge is compiled against NumPy 1"
    assert int(locked["setuptools"].partition(".")[0]) < 80, "colcon calls setup.py install"
    # rosdep brings Pinocchio; its wheel would want NumPy 2.
    assert not {"pin", "opencv-python-headless"} & locked.keys()
    wanted = {
        canonicalize_name(r.name): str(r.specifier) for r in pins("requirements.txt", python)
    }
    wanted.pop("torch")
    assert {name: f"=={locked.get(name)}" for name in wanted} == wanted, "run `make lock`"


def test_when_set_up_reads_python_3_10_s_lock_expect_the_installer_with_a_checksum():
    """Set-up gives this one line to the pip that an environment begins with."""
    lines = (REPOSITORY / "locks/3.10.txt").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("uv==")]
    assert "--hash=sha256:" in line


@pytest.mark.parametrize("script", ["set_up.sh", "test_pythons.sh"])
def test_when_bash_reads_a_script_expect_no_error(script):
    subprocess.run(["bash", "-n", REPOSITORY / "scripts" / script], check=True)


@pytest.mark.parametrize("python", PYTHONS)
def test_when_torch_has_to_come_with_cuda_expect_no_kernels_that_fail_without_a_gpu(python):
    """Set-up leaves out what a pattern in set_up.sh names; each name has to be one of the lock."""
    script = (REPOSITORY / "scripts/set_up.sh").read_text()
    (pattern,) = re.findall(r"grep -Ev '\^\(([^']+)\)=='", script)
    left_out = set(pattern.split("|"))
    assert (
        {"flash-linear-attention", "fla-core"}
        <= left_out
        <= read_lock(f"{python}-cuda.txt").keys()
    )


def test_when_each_python_is_tried_expect_the_selected_tests_to_exist():
    script = (REPOSITORY / "scripts/test_pythons.sh").read_text()
    selected = re.findall(r"\btest/\S+", script)
    assert len(selected) > 4
    assert [path for path in selected if not (REPOSITORY / path).exists()] == []
