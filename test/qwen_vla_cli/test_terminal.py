"""Output fits a terminal of any width, a log file, and a reader that has seen enough."""

import subprocess
import sys

import pytest
from rich.cells import cell_len

from command_process import Command

EPISODES = ("generate", "--embodiment", "mobile_base", "--task", "go_to", "--episodes", 1)
EPISODES += ("--workers", 1)


@pytest.mark.parametrize("columns", [30, pytest.param(100, marks=pytest.mark.long)])
def test_when_a_terminal_is_narrow_expect_the_bar_within_it(tmp_path, columns):
    command = Command(*EPISODES, "--out", tmp_path / "new", columns=columns)
    try:
        assert command.end() == 0
    finally:
        command.close()
    bar, _, closing = command.said.rpartition("1 episodes recorded, 1 are in ")
    updates = [part for part in bar.replace("\n", "\r").split("\r") if part.strip()]
    assert any("1/1" in update for update in updates)
    assert max(map(cell_len, updates)) <= columns
    assert "config/recipes/finetune_widowx.yaml" in closing


def test_when_the_output_goes_into_a_file_expect_lines_and_no_carriage_returns(tmp_path):
    command = Command(*EPISODES, "--out", tmp_path / "new")
    try:
        assert command.end() == 0
    finally:
        command.close()
    lines = command.said.splitlines()
    assert "\r" not in command.said and len(lines) <= 5
    assert "1/1" in lines[-2] and lines[-1].startswith("1 episodes recorded")


def test_when_the_reader_has_seen_enough_expect_no_complaint():
    command = [sys.executable, "-m", "qwen_vla_cli.main", "check", "aloha"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 141
