"""docs/own_robot.md, followed word by word."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_eval.episodes import through_ros
from qwen_vla_eval.runner import EvaluationCase
from qwen_vla_ros.launching.arguments import ARGUMENTS
from qwen_vla_sim.registry import find_tasks
from robot_checks import check_normalisation, check_prompt, check_scripted_policy, check_start

ROOT = Path(__file__).parents[1]
SECTION = (ROOT / "docs" / "own_robot.md").read_text()


def changes_to(name):
    """The lines that the guide has for one file."""
    (block,) = re.findall(rf"```yaml\n( *# {name}\n.*?)```", SECTION, flags=re.DOTALL)
    return yaml.safe_load(block)


def change(old, new):
    """What the guide says in the place of what the copy says.

    Items of lists go by name, those without one by their place.
    """
    if isinstance(new, dict):
        return {**old, **{key: change(old.get(key), value) for key, value in new.items()}}
    if isinstance(new, list) and isinstance(new[0], dict):
        by_name = {item.get("name", place): item for place, item in enumerate(new)}
        names = [item.get("name", place) for place, item in enumerate(old)]
        assert by_name.keys() <= set(names)
        return [change(o, by_name.get(name, {})) for name, o in zip(names, old, strict=True)]
    return new


def written(folder, name, leave_out=()):
    """The file that someone who follows the guide ends up with."""
    (like,) = re.findall(rf"qwen-vla new {name} --like (\w+)", SECTION)
    command = [sys.executable, "-m", "qwen_vla_cli.main", "new", name, "--like", like]
    new = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert f"qwen-vla check {name}.yaml" in new.stdout, new.stderr
    path = folder / f"{name}.yaml"
    load_embodiment(path)  # valid before anything is changed
    robot = yaml.safe_load(path.read_text())
    for part in ("groups", "cameras"):
        robot[part] = [item for item in robot[part] if item["name"] not in leave_out]
    path.write_text(yaml.safe_dump(change(robot, changes_to(path.name))))
    return path


@pytest.fixture
def base(tmp_path):
    return written(tmp_path, "my_base")


@pytest.fixture
def vx300s(tmp_path):
    left_out = ("right_arm", "right_gripper", "cam_right_wrist")
    assert all(f"`{name}`" in SECTION for name in left_out)
    return written(tmp_path, "my_vx300s", left_out)


@pytest.mark.parametrize(
    ("robot", "sentence"),
    [
        ("base", "The robot is my_base with mobile base. The control frequency is 2 Hz."),
        ("vx300s", "The robot is viperX with single arm. The control frequency is 10 Hz."),
    ],
)
def test_when_a_robot_is_described_as_the_guide_says_expect_it_checked_and_kept_within_limits(
    request, robot, sentence
):
    path = request.getfixturevalue(robot)
    command = [sys.executable, "-m", "qwen_vla_cli.main", "check", str(path)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0 and sentence in checked.stdout, checked.stderr
    embodiment = load_embodiment(path)
    check_prompt(embodiment)
    check_normalisation(embodiment)
    check_start(embodiment)
    check_scripted_policy(embodiment)


@pytest.mark.timeout(180)
def test_when_the_new_base_is_driven_through_every_node_expect_it_to_arrive(base):
    embodiment = load_embodiment(base)
    task = find_tasks(embodiment, None)[0]
    case = EvaluationCase(embodiment=base, task=task.name, checkpoint=None, prompt_embodiment=base)
    scenes = [task.sample(seed) for seed in range(3)]
    assert any(episode["success"] for episode in through_ros(case, scenes))


def test_when_the_guide_names_an_option_or_argument_expect_the_programs_to_have_it():
    for arguments in re.findall(r"^ +qwen-vla (\w+) (.*)$", SECTION, flags=re.MULTILINE):
        command = [sys.executable, "-m", "qwen_vla_cli.main", arguments[0], "--help"]
        told = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
        assert all(option in told for option in re.findall(r"--\w+", arguments[1]))
    arguments = re.findall(r"(\w+):=", SECTION)
    assert arguments and set(arguments) <= set(ARGUMENTS)
