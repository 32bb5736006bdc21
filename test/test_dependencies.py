"""Whatever the code imports is declared, once for pip and once for rosdep, and nothing else is."""

import ast
import subprocess
import sys
from functools import cache
from importlib.metadata import Distribution, packages_distributions
from pathlib import Path
from xml.etree import ElementTree

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[1]
OURS = {path.name for path in REPOSITORY.glob("src/*/")} | {
    path.stem for path in REPOSITORY.glob("test/**/*.py")
}
OURS |= {path.name for path in REPOSITORY.glob("test/**/") if path != REPOSITORY}

# Imported only in a benchmark's own environment (qwen_vla_eval/benchmark/client).
OF_BENCHMARKS = {"PIL", "gym_aloha", "gymnasium", "libero"}

# Module -> rosdep key, where a ROS distribution brings it.
KEYS = {
    "argcomplete": "python3-argcomplete",
    "cv2": "python3-opencv",
    "hypothesis": "python3-hypothesis",
    "matplotlib": "python3-matplotlib",
    "numpy": "python3-numpy",
    "packaging": "python3-packaging",
    "pinocchio": "pinocchio",
    "pytest": "python3-pytest",
    "yaml": "python3-yaml",
}
# Modules of a ROS distribution that no wheel brings (set-up builds the messages among them); the
# key is the module's name.
ONLY_IN_A_DISTRIBUTION = {
    "controller_manager_msgs",
    "cv_bridge",
    "launch",
    "launch_ros",
    "tf2_msgs",
}
# Brought by a robot's workspace or built by set-up, and unknown to rosdep.
MESSAGES_OF_INTERBOTIX = "interbotix_xs_msgs"

# Keys of what is started and not imported.
KEYS_NOT_IMPORTED = {
    "ros2launch": "the command `ros2 launch`",
    "rviz2": "launch files start it",
    "python3-pytest-timeout": "pytest loads it by itself",
    "python3-pytest-xdist": "make test: pytest -n",
}
# Requirements of what is used and not imported.
REQUIREMENTS_NOT_IMPORTED = {
    "imageio-ffmpeg": "imageio writes films with it",
    "pytest-timeout": "pytest loads it by itself",
    "pytest-xdist": "make test: pytest -n",
    "ruff": "make lint",
    "mkdocs": "make docs",
    "mkdocs-material": "mkdocs.yml names it as the theme",
    "uv": "make setup and make lock",
    "colcon-common-extensions": "test_colcon_build.py",
    "colcon-ros": "test_colcon_build.py",
    "setuptools": "setup.py",
    "flash-linear-attention": "transformers takes it for the delta-net where it is installed",
}
# What building src/interfaces with CMake needs of requirements-ros.txt.
BUILDS_MESSAGES = ("ros-jazzy-ament-", "ros-jazzy-rosidl-", "ros-jazzy-python-cmake-module")
BUILD_TOOLS = {"catkin-pkg", "cmake", "empy", "lark"}


@cache
def brought_by():
    """Module -> installed distributions, which takes half a second to find.

    pinocchio's wheel hides it below cmeel.prefix, and peft and ray are only there for who trains
    adapters or serves a fleet.
    """
    return {**packages_distributions(), "pinocchio": ["pin"], "peft": ["peft"], "ray": ["ray"]}


def imported_below(folder):
    """Third-party modules that the Python files below a folder import, anywhere in them."""
    modules = set()
    for path in (REPOSITORY / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules.add(node.module.partition(".")[0])
    return modules - sys.stdlib_module_names - OURS - OF_BENCHMARKS


def required_by(*files):
    """Distributions that requirements files name."""
    lines = [line for file in files for line in (REPOSITORY / file).read_text().splitlines()]
    return {
        canonicalize_name(Requirement(line).name)
        for line in lines
        if line and not line.startswith("#")
    }


def keys_in_package_xml(*tags):
    root = ElementTree.parse(REPOSITORY / "package.xml").getroot()
    return {element.text for tag in tags for element in root.findall(tag)}


def key_of(module):
    """The rosdep key that brings a module; None where pip does, in a distribution too."""
    if module in KEYS:
        return KEYS[module]
    is_ros = module in ONLY_IN_A_DISTRIBUTION or any(
        name.startswith("ros-") for name in brought_by().get(module, ())
    )
    return module if is_ros else None


def distribution_of(module):
    """The requirement that brings a module: ros-jazzy-std-msgs for std_msgs."""
    if module in ONLY_IN_A_DISTRIBUTION | {MESSAGES_OF_INTERBOTIX}:
        return None
    names = {canonicalize_name(name) for name in brought_by()[module]}
    if any(name.startswith("ros-") for name in names):
        return "ros-jazzy-" + module.replace("_", "-")
    (name,) = names & required_by(*ALL_REQUIREMENTS)
    return name


ALL_REQUIREMENTS = sorted(path.name for path in REPOSITORY.glob("requirements*.txt"))


@cache  # not while pytest collects: each of its workers would read all files
def imported_by_product():
    return imported_below("src") | imported_below("launch")


@cache
def imported_by_tests():
    return imported_below("test") - imported_by_product() - {MESSAGES_OF_INTERBOTIX}


def test_when_the_product_imports_a_ros_package_expect_its_key_in_package_xml_and_no_other():
    imported = {key_of(module) for module in imported_by_product()} - {None}
    allowed = KEYS_NOT_IMPORTED.keys() & keys_in_package_xml("exec_depend")
    assert keys_in_package_xml("exec_depend") == imported | allowed


def test_when_a_test_imports_a_package_expect_its_key_in_package_xml_and_no_other():
    imported = {key_of(module) for module in imported_by_tests()} - {None}
    assert keys_in_package_xml("test_depend") == imported | {
        "python3-pytest-timeout",
        "python3-pytest-xdist",
    }


def test_when_the_product_imports_a_module_expect_its_requirement_and_no_other():
    files = [file for file in ALL_REQUIREMENTS if file != "requirements-dev.txt"]
    required = {
        name for name in required_by(*files) - BUILD_TOOLS if not name.startswith(BUILDS_MESSAGES)
    }
    # rclpy brings ament_index_python, which package.xml names all the same.
    imported = {
        distribution_of(module) for module in imported_by_product() - {"ament_index_python"}
    } - {None}
    assert required - REQUIREMENTS_NOT_IMPORTED.keys() == imported


def test_when_a_test_imports_a_module_expect_its_requirement():
    required = required_by("requirements-dev.txt")
    # pytest brings packaging, and cannot do without it.
    imported = {distribution_of(module) for module in imported_by_tests() - {"packaging"}} - {None}
    assert required - REQUIREMENTS_NOT_IMPORTED.keys() == imported


def test_when_pip_installs_the_package_expect_the_requirements_in_its_metadata(tmp_path):
    command = [sys.executable, "setup.py", "--quiet", "egg_info", "--egg-base", tmp_path]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    (metadata,) = tmp_path.glob("*.egg-info")
    lines = [Requirement(line) for line in Distribution.at(metadata).requires]
    always = {canonicalize_name(r.name) for r in lines if "extra" not in str(r.marker)}
    assert always == required_by("requirements.txt", "requirements-distribution.txt")
    for extra in ("ros", "gpu", "dev"):
        of_extra = {canonicalize_name(r.name) for r in lines if f'"{extra}"' in str(r.marker)}
        assert of_extra == required_by(f"requirements-{extra}.txt")


def test_when_rosdep_reads_package_xml_expect_it_to_know_every_key():
    lines = (REPOSITORY / "test/rosdep_keys.txt").read_text().splitlines()
    known = {line for line in lines if not line.startswith("#")}
    assert keys_in_package_xml("exec_depend", "test_depend", "depend", "build_depend") == known


@pytest.mark.parametrize("module", sorted(KEYS))
def test_when_a_module_has_a_key_expect_something_to_import_it(module):
    assert module in imported_by_product() | imported_by_tests()
