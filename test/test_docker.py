"""The images: what can be checked without building one."""

import json
import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
DISTRIBUTIONS = ("humble", "jazzy")


def instructions():
    """(instruction, rest) of the Dockerfile, continued lines joined."""
    text = (REPOSITORY / "docker/Dockerfile").read_text()
    lines = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    return [tuple(line.split(" ", 1)) for line in lines if line]


def steps(kind):
    return [rest for instruction, rest in instructions() if instruction == kind]


@pytest.mark.parametrize("command", steps("RUN"))
def test_when_bash_reads_a_step_of_the_image_expect_no_error(command):
    subprocess.run(["bash", "-n", "-c", command], check=True)


def test_when_the_image_is_built_expect_the_steps_that_the_makefile_and_colcon_have():
    joined = " ".join(steps("RUN"))
    (target,) = re.findall(r"make -C src/qwen_vla_ros (\w+)", joined)
    assert f"\n{target}:" in (REPOSITORY / "Makefile").read_text()
    # The environment's own Python builds, so that the executables find what it holds.
    assert "src/qwen_vla_ros/.venv/bin/python -m colcon build" in joined


def test_when_a_distribution_is_chosen_expect_its_base_image_and_a_lock():
    assert steps("FROM") == ["ros:${ROS_DISTRO}-ros-base"]
    for distribution in DISTRIBUTIONS:
        assert (REPOSITORY / f"locks/{distribution}.txt").is_file()


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_when_a_dev_container_is_opened_expect_the_image_of_its_distribution(distribution):
    path = REPOSITORY / f".devcontainer/{distribution}/devcontainer.json"
    container = json.loads(path.read_text())
    assert container["build"]["args"] == {"ROS_DISTRO": distribution}
    assert (path.parent / container["build"]["dockerfile"]).samefile(
        REPOSITORY / "docker/Dockerfile"
    )
    assert (path.parent / container["build"]["context"]).samefile(REPOSITORY)
    subprocess.run(["bash", "-n", "-c", container["postCreateCommand"]], check=True)
