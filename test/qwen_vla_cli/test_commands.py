"""The command line: help with examples, one clear line for refused input, honest statistics."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from qwen_vla_cli.bench import BENCHES
from qwen_vla_cli.data import ACTIONS
from qwen_vla_cli.main import COMMANDS, main
from qwen_vla_core.embodiment import describe_embodiment, parse_embodiment


@pytest.fixture
def qwen_vla(monkeypatch, capsys):
    """Runs the command in this process; returns its exit status, stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["qwen-vla", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code, *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    "command",
    [*COMMANDS, *(f"bench {name}" for name in BENCHES), *(f"data {name}" for name in ACTIONS)],
)
def test_when_help_is_requested_expect_what_it_does_an_example_and_the_exit_statuses(
    qwen_vla, command
):
    status, printed, _ = qwen_vla(*command.split(), "--help")
    assert status == 0
    assert f"qwen-vla {command}" in printed and "Example:" in printed
    assert "Exit status: 0 " in printed and "130 interrupted" in printed


def test_when_nothing_is_requested_expect_the_help(qwen_vla):
    status, printed, _ = qwen_vla()
    assert status == 0 and all(re.search(rf"\n    {command}\s", printed) for command in COMMANDS)


def test_when_the_version_is_requested_expect_that_of_the_package(qwen_vla):
    package = (Path(__file__).parents[2] / "package.xml").read_text()
    version = package.partition("<version>")[2].partition("<")[0]
    assert qwen_vla("--version") == (0, f"qwen-vla {version}\n", "")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("evalute", "evaluate"),
        ("bench modle", "model"),
        ("demo --embodimnt aloha", "--embodiment"),
        ("demo --embodimnt=aloha", "--embodiment"),
        ("generate --embodimnt aloha --out x", "--embodiment"),
        ("bench chunks --epsodes 3", "--episodes"),
        ("evaluate --weights flaot32", "float32"),
        ("check windowx", "widowx"),
    ],
)
def test_when_a_word_is_mistyped_expect_the_nearest_one(qwen_vla, words, meant):
    status, _, said = qwen_vla(*words.split())
    assert status == 2 and said.endswith(f"; did you mean {meant}?\n")


@pytest.mark.parametrize(
    "words",
    [
        "evaluate",
        "demo",
        "bench chunks",
        "bench control",
        "bench handover",
        "generate --embodiment widowx --out new",
    ],
)
def test_when_a_folder_is_no_checkpoint_expect_what_it_lacks_and_where_runs_keep_theirs(
    qwen_vla, tmp_path, monkeypatch, words
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    status, _, said = qwen_vla(*words.split(), "--checkpoint", "empty")
    assert status == 2 and said.count("\n") == 1
    assert "empty is no checkpoint: it has no config.json, no " in said
    assert "a training run keeps its own in checkpoint/" in said
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_when_an_embodiment_is_checked_expect_prompt_channels_and_limits():
    command = [sys.executable, "-m", "qwen_vla_cli.main", "check", "widowx"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0
    for part in ("The robot is widowX", "arm_dyaw", "wrist_rotate", "blue/image_raw"):
        assert part in ended.stdout


def test_when_views_or_deltas_are_special_expect_the_check_to_say_so():
    widowx = (Path(__file__).parents[2] / "embodiments" / "widowx.yaml").read_text()
    for old, new in (
        ("tag: ego", "tag: ego\n    history_steps: [2, 4]"),
        (
            "tag: cam_left_wrist",
            "tag: cam_left_wrist_depth\n    depth_range_m: [0.1, 1]\n    optional: true",
        ),
        (
            "convention: ee_delta",
            "convention: ee_delta\n      frame: {camera: over_shoulder, source: x, "
            "rotation: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}",
        ),
    ):
        widowx = widowx.replace(old, new, 1)
    text = "\n".join(describe_embodiment(parse_embodiment(widowx, "x.yaml"), "x.yaml"))
    for part in (
        "also seen 2 and 4 action steps before",
        "depth from 0.1 to 1 m, optional",
        "ee_delta (euler, over_shoulder axes) through interbotix_group, left side",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("check", "windowx"), "no embodiment 'windowx'"),
        (("train",), "required: --config; qwen-vla train --help has an example"),
        (("check", "nowhere.yaml"), "nowhere.yaml"),
        (("check", str(Path(__file__).parent)), "is a folder; name the file of the embodiment"),
        (("check", __file__), "is no *.yaml file"),
        (("serve", "--port", "65536"), "65536 is above 65535"),
        (("generate", "--embodiment", "widowx", "--out", __file__), "it is a file, no folder"),
        (("evaluate", "--embodiment", "windowx"), "windowx"),
        (("evaluate", "--checkpoint", "/nowhere"), "/nowhere"),
        (("evaluate", "--episodes", "0"), "--episodes"),
        (("evaluate", "--task", "juggle"), "no task 'juggle'; there are pick_up"),
        (("evaluate", "--shift", "color"), "did you mean colour?"),
        (("evaluate", "--task", "pickup"), "did you mean pick_up?"),
        (("evaluate", "--replan-steps", "16"), "1 to 9"),
        (("evaluate", "--instruction", "juggle"), "no scene of pick_up asks for 'juggle'"),
        (
            ("evaluate", "--instruction", "pick up the red block", "--shift", "instruction"),
            "words of its own",
        ),
        (("evaluate", "--seed", "-1"), "--seed"),
        (("evaluate", "--report", "nowhere.yaml"), "nowhere.yaml"),
        (("demo", "--episodes", "0"), "--episodes"),
        (("demo", "--instruction", ""), "empty"),
        (("demo", "--instruction", "x" * 100_000), "100000 characters"),
        (("demo", "--embodiment", "windowx"), "windowx"),
        (("train", "--config", "nowhere.yaml"), "nowhere.yaml"),
    ],
)
def test_when_input_is_unusable_expect_status_two_and_one_clear_line(qwen_vla, arguments, words):
    status, _, said = qwen_vla(*arguments)
    usage, _, message = said.rpartition(f"qwen-vla {arguments[0]}: ")
    assert status == 2 and words in message
    assert message.count("\n") == 1 and message.endswith("\n")
    assert usage == "" or usage.startswith("usage: ")  # of wrong arguments; of nothing else
