"""Ctrl-C ends every long command at once, leaves no process, and says how to go on."""

import re
import signal
from pathlib import Path

import pytest
import yaml
from rich.cells import cell_len

from child_processes import descendants, wait_for
from command_process import Command

REPORTS = Path(__file__).parents[2] / "config" / "reports"

pytestmark = [pytest.mark.alone, pytest.mark.timeout(240)]


@pytest.fixture
def start():
    """Starts a command at a terminal of 60 columns."""
    commands = []

    def start(*arguments, **options):
        commands.append(Command(*arguments, columns=60, **options))
        return commands[-1]

    yield start
    for command in commands:
        command.close()


def record(start, out, **options):
    words = ("--embodiment", "mobile_base", "--task", "go_to", "--episodes", 1000, "--out", out)
    command = start("generate", *words, **options)
    wait_for(lambda: len(list(out.glob("*.npz"))) > 1, 100.0, "two episodes")
    return command


@pytest.mark.parametrize(("number", "presses"), [(signal.SIGINT, 3), (signal.SIGTERM, 1)])
def test_when_recording_is_interrupted_expect_the_count_and_that_it_can_go_on(
    start, tmp_path, number, presses
):
    out = tmp_path / "new"
    command = record(start, out)
    assert command.interrupt(presses, number) == 128 + number
    count = len(list(out.glob("*.npz")))
    assert f"interrupted; {count} episodes are in " in " ".join(command.said.split())
    assert "the same command goes on" in command.said and "Traceback" not in command.said
    assert {path.suffix for path in out.iterdir()} == {".npz", ".json"}  # no half file, no lock


def has_workers(command, count=2):
    """A worker's interpreter, beside the one that keeps track of shared resources."""
    wait_for(lambda: len(descendants(command.process.pid)) >= count, 100.0, "workers")


def has_begun(command):
    command.wait_until("directly:")
    has_workers(command)


@pytest.mark.parametrize(
    ("arguments", "ready", "words"),
    [
        (("evaluate", "--expert", "--episodes", 500), has_begun, "no result was written"),
        (("bench", "chunks", "--episodes", 300), has_workers, "no result was written"),
        (("bench", "sim", "--seconds", 100), has_workers, "no result was written"),
        pytest.param(
            ("bench", "model", "--passes", 100_000),
            lambda command: command.wait_until("plain"),
            "no result",
            marks=pytest.mark.long,
        ),
    ],
)
def test_when_a_measurement_is_interrupted_expect_its_end_and_that_nothing_was_kept(
    start, arguments, ready, words
):
    command = start(*arguments)
    ready(command)
    assert command.interrupt() == 130
    assert f"interrupted; {words}" in command.said and "Traceback" not in command.said


@pytest.mark.long
def test_when_a_report_is_interrupted_expect_finished_episodes_kept(start, tmp_path):
    plan = yaml.safe_load((REPORTS / "report.yaml").read_text())
    plan["episodes"] = 2  # so that the first cell is soon there, and that of the quickest robot
    for robots in (plan["robots"], plan["bars"]["at_least"]):
        for robot in robots.keys() - {"mobile_base"}:
            del robots[robot]
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    command = start("evaluate", "--report", tmp_path / "plan.yaml", "--out", tmp_path / "new")
    cells = tmp_path / "new" / "cells"
    wait_for(lambda: list(cells.glob("*.json")), 200.0, "the first cell")
    assert command.interrupt() == 130
    assert "finished episodes are in" in command.said and "Traceback" not in command.said
    assert {path.suffix for path in cells.iterdir()} == {".json"}


@pytest.mark.long
def test_when_a_remote_demo_is_interrupted_expect_nodes_and_server_gone_and_unwrapped_status_lines(
    start, tmp_path
):
    arguments = "--embodiment", "mobile_base", "--episodes", 9, "--remote", "--out", tmp_path
    command = start("demo", *arguments)
    command.wait_until("AUTONOMY")  # which wants chunks
    assert "serving ws://127.0.0.1" in (tmp_path / "server.log").read_text()
    assert command.interrupt() == 130
    assert "interrupted" in command.said and "Traceback" not in command.said
    status = re.findall(r"\r\x1b\[K([^\r\n]*)", command.said)
    status = [line for line in status if " at ws://" not in line]  # printed after one was cleared
    assert any("AUTONOMY" in line for line in status)
    assert max(map(cell_len, status)) < 60
