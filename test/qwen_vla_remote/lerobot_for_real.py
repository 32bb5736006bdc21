"""LeRobot's ACT, trained by LeRobot on our episodes and driving our robot: `make test-lerobot`."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_ros.load_policy import load_policy
from robots import WIDOWX
from test_policy_contract import (
    test_when_a_policy_is_asked_for_expect_all_that_is_promised as promised,
)

pytestmark = pytest.mark.timeout(600)
LEROBOT = Path(os.environ["LEROBOT_BIN"])
SERVER = WIDOWX.parents[1] / "examples" / "serve_lerobot.py"
BACKEND = "lerobot_widowx"
TRAINING = (
    "--dataset.repo_id=local/episodes --dataset.video_backend=pyav --policy.type=act "
    "--policy.chunk_size=16 --policy.n_action_steps=16 --policy.use_vae=false "
    "--policy.dim_model=64 --policy.dim_feedforward=128 --policy.n_heads=2 "
    "--policy.pretrained_backbone_weights=null --policy.device=cpu --policy.push_to_hub=false "
    "--num_workers=0 --batch_size=4 --steps=4 --wandb.enable=false"
).split()
"""Too short to learn anything; what is promised of a policy has to hold all the same."""


def ours(*arguments):
    subprocess.run([sys.executable, "-m", "qwen_vla_cli.main", *map(str, arguments)], check=True)


def theirs(*command):
    """A program in LeRobot's environment, which fetches nothing."""
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "HF_HUB_OFFLINE": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([*map(str, command)], env=environment, **pipes)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """Where ACT is served that was trained on two episodes."""
    folder = tmp_path_factory.mktemp("act")
    ours(
        "generate", "--embodiment", WIDOWX, "--episodes", 2, "--workers", 1, "--out", folder / "a"
    )
    ours("data", "export", folder / "a", "--out", folder / "data", "--workers", 1)
    where = [f"--dataset.root={folder / 'data'}", f"--output_dir={folder / 'act'}"]
    with theirs(LEROBOT / "lerobot-train", *where, *TRAINING) as training:
        said = training.communicate()[0]
    assert training.returncode == 0, said
    checkpoint = folder / "act" / "checkpoints" / "last" / "pretrained_model"
    with theirs(LEROBOT / "python", SERVER, checkpoint, "--port", 0) as server:
        said = ""
        while "serving" not in said:
            assert (line := server.stdout.readline()), said
            said += line
        yield re.search(r"ws://\S+", said)[0]
        server.kill()


def test_when_act_is_asked_expect_all_that_a_policy_promises(url):
    robot = load_embodiment(WIDOWX)
    policy = load_policy(url, robot, backend=BACKEND, deadline_s=20.0)
    promised((policy, policy.codec.embodiment, "act"))


def test_when_act_is_evaluated_expect_its_episodes_counted(url, tmp_path):
    asked = ["--embodiment", WIDOWX, "--policy-url", url, "--backend", BACKEND]
    ours("evaluate", *asked, "--episodes", 2, "--workers", 1, "--json", tmp_path / "act.json")
    found = json.loads((tmp_path / "act.json").read_text())
    assert found["policy"] == url and found["n"] == len(found["episodes"]) == 2
