"""The programs of examples/ run as they are, and so do the five lines of the README."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import CheckpointError, YamlFileError
from qwen_vla_core.types import Observation
from qwen_vla_model import load_policy
from qwen_vla_ros.load_policy import HOLD
from qwen_vla_sim.registry import find_tasks, make_world
from robot_checks import check_normalisation, check_prompt, check_scripted_policy, check_start
from robots import stranger

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a program in this process, which has imported torch already; returns what it prints."""

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.fixture(scope="module")
def scene():
    """A base in front of pillars: its policy, the image it sees and its instruction."""
    policy = load_policy(embodiment="mobile_base")
    embodiment = policy.processor.embodiment
    world = make_world(embodiment)
    scene = find_tasks(embodiment, None)[0].sample(0)
    scene.lay_out(world)
    return policy, world.render("front"), scene.instruction


def test_when_an_image_is_given_expect_the_waypoints_that_the_policy_plans(tmp_path, scene, run):
    policy, rgb, instruction = scene
    cv2.imwrite(str(tmp_path / "image.png"), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    lines = run("infer_on_image.py", tmp_path / "image.png", instruction).splitlines()
    told = np.array([re.findall(r"[+-]\d\.\d\d", line) for line in lines], float)
    observation = Observation(
        stamp_s=0.0,
        images={"front": rgb},
        positions_D=np.zeros(3),
        commanded_D=np.zeros(3),
        instruction=instruction,
    )
    policy.runtime.reseed(0)
    np.testing.assert_allclose(told, policy.plan(observation).positions_TD, atol=0.006)
    assert len(told) == 9 and np.abs(told[-1]).max() > 0.2  # it goes somewhere


def test_when_a_file_is_no_image_expect_that_said():
    command = [sys.executable, EXAMPLES / "infer_on_image.py", __file__, "go"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 1 and ended.stderr.strip().endswith("not a readable image")


def test_when_the_simulator_is_driven_expect_the_task_done(run):
    text = run("drive_simulator.py", "--embodiment", "mobile_base", "--seed", "0")
    assert text.startswith("mobile_base: go to the ") and "success: True" in text


@pytest.mark.parametrize(
    ("checkpoint", "rate"),
    [
        pytest.param([], "100% of 1 scenes (95 % interval 21% to 100%)", marks=pytest.mark.long),
        ([HOLD], "0% of 1 scenes (95 % interval 0% to 79%)"),  # without torch, which takes long
    ],
    ids=["shipped", HOLD],
)
def test_when_a_policy_is_evaluated_expect_its_rate_and_interval(checkpoint, rate):
    program = EXAMPLES / "evaluate.py"  # its workers import it
    command = [sys.executable, program, "--embodiment", "mobile_base", "--episodes", "1"]
    command += [part for name in checkpoint for part in ("--checkpoint", name)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert ended.returncode == 0, ended.stderr
    assert re.fullmatch(rf"go_to: {re.escape(rate)}; chance \d+%\n", ended.stdout)


def test_when_the_package_is_imported_expect_no_torch_until_a_policy_is_loaded():
    program = "import sys; import qwen_vla_model; print('torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.stdout.strip() == "False"


def test_when_nothing_is_named_expect_the_shipped_checkpoint_on_a_widowx():
    policy = load_policy()
    robot = policy.processor.embodiment
    start_D = np.array(robot.start_D)
    images = {camera.name: np.zeros((480, 640, 3), np.uint8) for camera in robot.cameras}
    observation = Observation(
        stamp_s=5.0,
        images=images,
        positions_D=start_D,
        commanded_D=start_D,
        instruction="pick up the red block",
    )
    chunk = policy.plan(observation)
    assert robot.name == "widowx" and chunk.positions_TD.shape == (17, 7)
    assert chunk.stamp_s == 5.0
    np.testing.assert_array_equal(chunk.positions_TD[0], start_D)
    assert policy.infer(observation).shape == (16, 7)


def test_when_a_policy_is_requested_that_does_not_exist_expect_the_names_there_are(tmp_path):
    with pytest.raises(YamlFileError, match="no embodiment 'windowx'.*widowx"):
        load_policy(embodiment="windowx")
    with pytest.raises(CheckpointError, match="'nowhere' is neither a folder nor a name"):
        load_policy("nowhere")
    with pytest.raises(CheckpointError, match="not trained for stranger"):
        load_policy(embodiment=stranger(tmp_path))


def test_when_the_five_lines_of_the_readme_run_expect_joint_targets():
    readme = (EXAMPLES.parent / "README.md").read_text()
    lines = re.findall(
        r"^    ((?:from|policy|observation|targets_TD) .*)$",
        readme.partition("In Python:")[2].partition("\n## ")[0],
        flags=re.MULTILINE,
    )
    assert len(lines) == 5
    names = {"rgb": np.zeros((480, 640, 3), np.uint8), "q": np.array([0, 0, 0.3, 0, 1, 0, 0.03])}
    exec("\n".join(lines), names)
    assert names["targets_TD"].shape == (17, 7) and np.isfinite(names["targets_TD"]).all()


@pytest.mark.parametrize("driver", ["joint_trajectory_controller", "forward_command"])
def test_when_the_example_of_an_arm_under_ros2_control_is_used_expect_it_kept_within_limits(
    tmp_path, driver
):
    text = (EXAMPLES / "ur5e.yaml").read_text()
    path = tmp_path / "ur5e.yaml"
    path.write_text(text.replace("type: joint_trajectory_controller", f"type: {driver}"))
    robot = load_embodiment(path)
    assert robot.groups[0].driver.type == driver
    for check in (check_prompt, check_normalisation, check_start, check_scripted_policy):
        check(robot)
