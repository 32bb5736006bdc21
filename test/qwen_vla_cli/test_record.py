"""`qwen-vla record`: recovers files, and is recorder_node until Ctrl-C."""

import signal
import subprocess
import sys

import pytest

from child_processes import wait_for
from qwen_vla_cli.main import main
from qwen_vla_data.recording import open_recording
from qwen_vla_data.recording.folder_lock import FILE
from recordings import Waving


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["qwen-vla", "record", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


def test_when_files_are_recovered_expect_their_names_and_a_line_for_each_that_is_not(
    monkeypatch, capsys, tmp_path
):
    partial = Waving(duration_s=0.2).write(tmp_path / "one.mcap", finish=False)
    empty = tmp_path / "two.mcap.part"
    empty.write_bytes(b"")
    assert run(monkeypatch, "--recover", partial, empty, tmp_path / "none.part") == 2
    printed, said = capsys.readouterr()
    assert printed == f"{tmp_path / 'one.mcap'}\n"
    assert "two.mcap.part.unreadable: nothing of it can be read" in said
    assert "none.part: no such file" in said
    assert open_recording(tmp_path / "one.mcap").counts


def test_when_neither_robot_nor_file_is_named_expect_what_is_missing(monkeypatch, capsys):
    assert run(monkeypatch) == 2
    assert "one of the arguments --embodiment --recover is required" in capsys.readouterr().err


def test_when_there_is_no_such_robot_expect_the_nearest(monkeypatch, capsys):
    assert run(monkeypatch, "--embodiment", "widwx") == 2
    assert "did you mean widowx" in capsys.readouterr().err


def test_when_it_runs_expect_a_recorder_until_ctrl_c(tmp_path):
    command = [sys.executable, "-m", "qwen_vla_cli.main", "record", "--embodiment", "widowx"]
    command += ["--folder", str(tmp_path), "--instruction", "yes"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        said = ""
        while f"recordings of widowx go to {tmp_path}" not in said:
            said = process.stderr.readline()
            assert said, "it has ended"
        wait_for((tmp_path / FILE).exists)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
