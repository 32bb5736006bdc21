"""Every shipped robot has its launch file and its RViz layout, and both show that robot.

launch and rviz2 do not come as Python wheels, so neither is run here.
"""

import ast
from pathlib import Path

import pytest
import yaml

from qwen_vla_core.embodiment import load_embodiment

ROOT = Path(__file__).parents[1]
PATHS = sorted((ROOT / "embodiments").glob("*.yaml"))

robots = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


@robots
def test_when_a_robot_is_launched_expect_bringup_with_its_name(path):
    source = (ROOT / "launch" / f"{path.stem}.launch.py").read_text()
    constants = [n.value for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Constant)]
    assert constants[constants.index("embodiment") + 1] == path.stem
    assert "bringup.launch.py" in constants
    assert f"ros2 launch qwen_vla_ros {path.stem}.launch.py" in ast.get_docstring(
        ast.parse(source)
    )


@robots
def test_when_rviz_is_opened_expect_every_picture_that_the_policy_sees(path):
    embodiment = load_embodiment(path)
    layout = yaml.safe_load((ROOT / "rviz" / f"{path.stem}.rviz").read_text())
    topics = {display["Class"]: [] for display in layout["Visualization Manager"]["Displays"]}
    for display in layout["Visualization Manager"]["Displays"]:
        topic = display.get("Topic") or display.get("Description Topic") or {}
        topics[display["Class"]].append(topic.get("Value"))
    assert topics["rviz_default_plugins/Image"] == [camera.topic for camera in embodiment.cameras]
    arms = {f"/{g.driver.namespace}/robot_description" for g in embodiment.groups if not g.is_base}
    assert set(topics.get("rviz_default_plugins/RobotModel", [])) == arms
    base = embodiment.base
    odometry = [] if base is None else [f"/{base.driver.odometry_topic}"]
    assert topics.get("rviz_default_plugins/Odometry", []) == odometry
