"""Every shipped robot has its launch file, whose examples start.

launch does not come as Python wheels, so it is not run here; test_launch_for_real.py runs where
launch is.
"""

import ast
import re
import shlex
from pathlib import Path

import pytest

from qwen_vla_ros.launching.arguments import ARGUMENTS, read, refuse_unknown
from qwen_vla_ros.launching.request import understand
from qwen_vla_sim.registry import make_tasks

ROOT = Path(__file__).parents[1]
PATHS = sorted((ROOT / "embodiments").glob("*.yaml"))

robots = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def examples(launch_file):
    """The arguments of each `ros2 launch qwen_vla_ros` in the file's own description."""
    text = ast.get_docstring(ast.parse(launch_file.read_text())).replace("\\\n", " ")
    pattern = rf"ros2 launch qwen_vla_ros {re.escape(launch_file.name)}(.*)"
    return [
        dict(word.split(":=", 1) for word in shlex.split(line))
        for line in re.findall(pattern, text)
    ]


@robots
def test_when_a_robot_is_launched_expect_all_of_bringup_with_its_name_as_default(path):
    tree = ast.parse((ROOT / "launch" / f"{path.stem}.launch.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert [ast.unparse(call) for call in calls] == [f"bringup_description('{path.stem}')"]


@pytest.mark.parametrize(
    "launch_file", sorted((ROOT / "launch").glob("*.py")), ids=lambda path: path.name
)
def test_when_the_example_of_a_launch_file_is_typed_expect_it_to_start(launch_file):
    assert examples(launch_file)
    for example in examples(launch_file):
        refuse_unknown(example, typed_for_us=True)
        texts = {name: argument.default for name, argument in ARGUMENTS.items()}
        texts["embodiment"] = launch_file.name.removesuffix(".launch.py")
        values = read(texts | example)
        robot = understand(values).robot
        scenes = [task.sample(seed) for task in make_tasks(robot).values() for seed in range(20)]
        sentences = {sentence for scene in scenes for sentence in scene.instructions}
        assert not values["instruction"] or values["instruction"] in sentences
