"""`qwen-vla serve` with the shipped weights, and `qwen-vla evaluate` of a server."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.execution import Prefix
from qwen_vla_core.observation.empty_scene import empty_scene
from qwen_vla_remote.client import RemotePolicy
from robots import WIDOWX

pytestmark = pytest.mark.timeout(240)
ROBOTS = ("widowx", "mobile_base")
NO_TORCH = "import sys; sys.modules['torch'] = None; from qwen_vla_cli.main import main; main()"
REFUSED = """
import contextlib, io, json, sys
sys.modules["torch"] = None
from qwen_vla_cli.main import main
for arguments in json.loads(sys.argv[1]):
    sys.argv, said = ["qwen-vla", "serve", *arguments], io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            main()
        except SystemExit as end:
            status = end.code
    print(json.dumps([status, said.getvalue()]))
"""


@contextmanager
def qwen_vla(*arguments, program=("-m", "qwen_vla_cli.main")):
    command = [sys.executable, *program, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, env={**os.environ, "PYTHONUNBUFFERED": "1"}, **pipes) as ended:
        try:
            yield ended
        finally:
            ended.kill()


@pytest.fixture(scope="module")
def served():
    """The shipped weights for both robots, once: the process and its address."""
    asked = [part for name in ROBOTS for part in ("--embodiment", name)]
    with qwen_vla("serve", "--port", "0", *asked) as server:
        lines = iter(server.stdout.readline, "")
        yield server, next(re.search(r"ws://\S+", line)[0] for line in lines if "serving" in line)


def test_when_the_shipped_weights_are_served_expect_chunks_for_each_robot(served):
    for name in ROBOTS:
        robot = load_embodiment(WIDOWX.parent / f"{name}.yaml")
        policy = RemotePolicy(served[1], robot, deadline_s=20.0)
        shape = (2, len(robot.action_channels))
        prefix = Prefix(actions_NC=np.full(shape, 0.125, np.float32), committed=2)
        answer = policy.infer(empty_scene(robot), prefix)
        assert (answer[:2] == 0.125).all() and np.ptp(answer[2:]) > 0
        policy.close()


def test_when_a_server_is_evaluated_expect_episodes_without_torch(served, tmp_path):
    file, (_, url) = tmp_path / "result.json", served
    arguments = ["--policy-url", url, "--embodiment", "mobile_base", "--episodes", "1"]
    arguments += ["--workers", "1", "--json", str(file)]
    with qwen_vla("evaluate", *arguments, program=("-c", NO_TORCH)) as ended:
        said = ended.communicate(timeout=200)[0]
    assert ended.returncode == 0, said
    result = json.loads(file.read_text())
    assert result["policy"] == url and len(result["episodes"]) == 1


def test_when_a_server_is_told_to_end_expect_it_to_end(served):
    """The last one of these three, because the others need the server."""
    server, _ = served
    server.send_signal(signal.SIGTERM)
    assert server.wait(20) == 0


def test_when_it_cannot_be_served_like_that_expect_one_line_and_status_2():
    """One after the other in one process, which would have to load torch to serve."""
    cases = [
        (["--host", "0.0.0.0"], "--api-key-file"),
        (["--api-key-file", "nowhere"], "nowhere cannot be read"),
        (["--tls-cert", "nowhere"], "--tls-key"),
        (["--tls-cert", "nowhere", "--tls-key", "nowhere"], "certificate nowhere"),
        (["--embodiment", "widow"], "widowx"),
        (["--instruction", " "], "instruction"),
    ]
    every = json.dumps([arguments for arguments, _ in cases])
    command = [sys.executable, "-c", REFUSED, every]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    answers = map(json.loads, ended.stdout.splitlines())
    for (arguments, words), (status, said) in zip(cases, answers, strict=True):
        assert status == 2 and words in said and said.count("\n") == 1, (arguments, said)
