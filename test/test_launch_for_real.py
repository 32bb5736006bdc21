"""The launch files under the real `ros2 launch`: what is refused, and what the end of a node does.

launch does not come as Python wheels, so this runs only where a ROS distribution is (colcon test).
What it rests on is tested everywhere, in test/qwen_vla_ros/launching.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from qwen_vla_core.resources import SHIPPED_CHECKPOINT

pytest.importorskip("ros2launch", reason="needs a ROS distribution: launch is no Python wheel")

ROOT = Path(__file__).parents[1]
PANDA = ROOT / "embodiments" / "benchmarks" / "libero_panda.yaml"
ROS2 = [sys.executable, "-c", "import sys; from ros2cli.cli import main; sys.exit(main())"]
WAIT_S = 150.0
"""A busy machine with two cores takes a minute to load a policy."""
SIMULATED = ("use_sim:=True", "checkpoint:=expert")
RUNNING = "mode HOLD"
"""What control_node says once it is active."""


def ros2(*arguments):
    """What a command of ros2cli prints. It may be some seconds before it knows all nodes."""
    return subprocess.run([*ROS2, *arguments], capture_output=True, text=True).stdout


pytestmark = pytest.mark.timeout(400)


class Launch:
    """One `ros2 launch` and what it has said."""

    def __init__(self, file, *arguments):
        self.text = ""
        self.process = subprocess.Popen(
            [*ROS2, "launch", str(ROOT / "launch" / f"{file}.launch.py"), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.text += line

    def says(self, words, times=1):
        return self.wait(lambda: self.text.count(words) >= times)

    def wait(self, condition):
        deadline_s = time.monotonic() + WAIT_S
        while not condition():
            if time.monotonic() > deadline_s:
                return False
            threading.Event().wait(0.05)
        return True

    def pids(self, node):
        pattern = rf"\[{node}-\d+\]: process started with pid \[(\d+)\]"
        return [int(pid) for pid in re.findall(pattern, self.text)]

    def living(self):
        pids = [
            pid for node in ("sim_node", "control_node", "policy_node") for pid in self.pids(node)
        ]
        return [pid for pid in pids if Path(f"/proc/{pid}/cmdline").is_file() and _runs(pid)]

    def end(self):
        self.process.wait(timeout=WAIT_S)
        self._thread.join()
        return self.process.returncode


def _runs(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


@pytest.fixture
def launch():
    started = []

    def launch(file, *arguments):
        started.append(Launch(file, *arguments))
        return started[-1]

    yield launch
    for one in started:
        if one.process.poll() is None:
            one.process.send_signal(signal.SIGINT)
        try:
            one.end()
        finally:
            for pid in one.living():
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("dry_run:=ture", "dry_run:=ture is neither true (true, 1, yes, on) nor false"),
        ("dry_runn:=true", "unknown launch argument 'dry_runn'"),
        ("robot:=aloha", "unknown launch argument 'robot'"),
        ("embodiment:=nosuch", "no embodiment 'nosuch'"),
        (f"embodiment:={PANDA}", "not trained for libero_panda, only for aloha"),
        ("checkpoint:=expert", "simulated robots only: add use_sim:=true"),
        ("checkpoint:=ws://gpu:8000", "is the address of a server: give it as policy_url"),
        ("policy_url:=gpu:8000", "policy_url gpu:8000 is no address"),
        ("bringup_hardware:=true", "usb_cam: sudo apt install ros-$ROS_DISTRO-usb-cam"),
    ],
)
def test_when_an_argument_makes_no_sense_expect_a_reason_and_no_node(launch, argument, words):
    run = launch("widowx", argument)
    assert run.end() == 1
    assert words in run.text and "process started" not in run.text, run.text


def test_when_no_viewer_is_installed_expect_the_nodes_to_run_without_it(launch):
    assert shutil.which("rviz2") is None, "this test is of a machine without RViz"
    run = launch("mobile_base", *SIMULATED)
    assert run.says(RUNNING), run.text
    assert "RViz is not installed" in run.text
    run.process.send_signal(signal.SIGINT)
    assert run.end() == 0 and run.living() == []
    assert "this computer only" in run.text


@pytest.mark.parametrize("node", ["control_node", "sim_node"])
def test_when_a_node_dies_expect_its_name_what_it_means_and_an_end_of_all(launch, node):
    run = launch("mobile_base", *SIMULATED, "use_rviz:=0")
    assert run.says(RUNNING), run.text
    os.kill(run.pids(node)[0], signal.SIGKILL)
    assert run.end() == 1
    assert f"{node} ended (ended by SIGKILL" in run.text and run.living() == []


def test_when_the_policy_dies_expect_it_back_and_control_never_to_end(launch):
    run = launch("mobile_base", "use_sim:=yes", "use_rviz:=no", "instruction:=yes")
    assert run.says(RUNNING), run.text
    control = run.pids("control_node")
    os.kill(run.pids("policy_node")[0], signal.SIGSEGV)
    assert run.wait(lambda: len(run.pids("policy_node")) == 2), run.text
    assert "policy_node ended (ended by SIGSEGV: a crash in compiled code)" in run.text
    assert "(1 of 3)" in run.text
    assert run.pids("control_node") == control and control[0] in run.living()


def test_when_the_policy_cannot_start_expect_an_end_of_all(launch, tmp_path):
    shutil.copy(SHIPPED_CHECKPOINT / "embodiments.json", tmp_path)  # and no weights
    run = launch("mobile_base", "use_sim:=1", "use_rviz:=off", f"checkpoint:={tmp_path}")
    assert run.end() == 1
    assert "policy_node ended (exit status 1: it could not start" in run.text
    assert run.living() == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_when_launch_itself_is_ended_expect_no_node_to_outlive_it(launch, number):
    run = launch("mobile_base", *SIMULATED, "use_rviz:=false")
    assert run.says(RUNNING), run.text
    pids = run.living()
    assert len(pids) == 2
    run.process.send_signal(number)
    run.end()
    assert run.wait(lambda: run.living() == []), pids


def test_when_another_embodiment_is_named_expect_the_wrapper_to_launch_that_one(launch, tmp_path):
    path = tmp_path / "slow_base.yaml"
    text = (ROOT / "embodiments" / "mobile_base.yaml").read_text()
    path.write_text(text.replace("name: mobile_base\n", "name: slow_base\n", 1))
    run = launch("mobile_base", *SIMULATED, "use_rviz:=false", f"embodiment:={path}")
    assert run.says(RUNNING), run.text
    told = partial(ros2, "param", "get", "/control_node", "embodiment")
    assert run.wait(lambda: str(path) in told()), told()


def test_when_two_robots_have_namespaces_expect_the_nodes_of_each_in_its_own(launch):
    runs = [
        launch("mobile_base", *SIMULATED, "use_rviz:=false", f"namespace:={name}")
        for name in ("robot_1", "robot_2")
    ]
    assert all(run.says(RUNNING) for run in runs), [run.text for run in runs]
    wanted = {"/robot_1/control_node", "/robot_2/control_node", "/robot_2/sim_node"}
    listed = partial(ros2, "node", "list", "--no-daemon", "--spin-time", "3")
    assert runs[0].wait(lambda: wanted <= set(listed().split())), listed()
