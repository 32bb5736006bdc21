"""openpi's own client and server, as their packages have them: `make test-openpi-client`."""

import os
import re
import socket
import subprocess
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from command_process import Command
from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_core.errors import RemoteError
from qwen_vla_core.observation.empty_scene import empty_scene
from qwen_vla_remote.backend import Adapter, find_backend, in_joint_space, load_backend
from qwen_vla_remote.client import RemotePolicy
from robots import WIDOWX, franka_text, robot

pytestmark = pytest.mark.timeout(300)
SCRIPTS = WIDOWX.parents[1] / "scripts" / "openpi"
KEY = "sesame-sesame-sesame"


@contextmanager
def theirs(script, *arguments):
    """A script in the environment with openpi's packages."""
    command = [os.environ["OPENPI_PYTHON"], "-u", SCRIPTS / script, *map(str, arguments)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env={"PATH": os.environ["PATH"]}, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def test_when_the_stock_client_drives_an_aloha_expect_motion_that_ends_with_the_server(
    tmp_path,
):
    (tmp_path / "key.txt").write_text(KEY)
    asked = ["--embodiment", "aloha", "--instruction", "pick up the red cube"]
    asked += ["--api-key-file", tmp_path / "key.txt"]
    servers = [Command("serve", "--port", 0, *asked)]
    try:
        servers[0].wait_until("serving ws://")
        port = re.search(r"serving ws://127.0.0.1:(\d+)", servers[0].said)[1]
        with theirs("robot.py", "127.0.0.1", port, KEY) as stock:
            print(line := stock.stdout.readline())
            assert "two episodes" in line and stock.stdout.readline() == "now\n"
            servers[0].process.kill()
            print(line := stock.stdout.readline())
            assert "broke" in line
            servers.append(Command("serve", "--port", port, *asked))
            servers[1].wait_until("serving ws://")
            print(line := stock.communicate("\n", timeout=60)[0])
            assert "and on with a new one" in line and stock.returncode == 0
    finally:
        for server in servers:
            server.close()


ROBOTS = {
    "openpi_aloha": load_embodiment(WIDOWX.with_name("aloha.yaml")),
    "openpi_droid": robot(franka_text()),
    "openpi_libero": load_embodiment(WIDOWX).model_copy(update={"horizon": 2}),  # 0.4 s of 0.5
}


@pytest.mark.parametrize("name", ROBOTS)
def test_when_the_server_is_openpis_own_and_wants_to_stay_expect_a_plan_that_stays(name):
    embodiment = ROBOTS[name]
    adapter = Adapter(load_backend(find_backend(name)), embodiment, name)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with theirs("server.py", port):
        url = f"ws://127.0.0.1:{port}"
        policy = RemotePolicy(url, embodiment, 5.0, adapter)
        seen = empty_scene(embodiment)
        for _ in range(2):
            actions_HC = policy.infer(seen)
        codec = EmbodimentCodec(in_joint_space(embodiment))
        plan = codec.decode(actions_HC, seen.commanded_D, seen.stamp_s)
        assert np.abs(plan.positions_TD - seen.commanded_D).max() < 2e-3
        assert policy.diagnostics()["server_ms"] >= 0

        with pytest.raises(RemoteError, match="ValueError: as it was told"):
            policy.infer(replace(seen, instruction="fail"))
        policy.infer(seen)  # openpi's server hangs up after an error: a new connection
        assert policy.diagnostics()["reconnects"] == 1
        policy.close()
