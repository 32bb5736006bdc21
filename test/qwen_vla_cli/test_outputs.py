"""What cannot be written is one line, at once, and leaves nothing behind."""

import os
import resource

import pytest

from command_process import Command
from qwen_vla_cli.outputs import output_folder, require_writable
from qwen_vla_core.errors import QwenVlaError


@pytest.fixture
def start():
    """Starts a command whose output is read through a pipe."""
    commands = []

    def start(*arguments, **options):
        commands.append(Command(*arguments, **options))
        return commands[-1]

    yield start
    for command in commands:
        command.close()


def test_when_a_folder_is_claimed_expect_it_made_and_empty_ones_removed_again(tmp_path):
    with output_folder(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").is_dir()
    assert not list(tmp_path.iterdir())
    with output_folder(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "result").write_text("kept")
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["result"]


def test_when_two_commands_write_to_one_folder_expect_the_second_refused_until_the_first_ends(
    tmp_path,
):
    with output_folder(tmp_path):
        with pytest.raises(QwenVlaError, match=f"another command is writing to {tmp_path}"):
            with output_folder(tmp_path):
                pass
    with output_folder(tmp_path):
        pass


def test_when_a_file_is_tried_expect_nothing_left_and_devices_left_alone(tmp_path):
    require_writable(tmp_path / "new" / "result.json")
    require_writable(tmp_path / "result.json")
    require_writable(None)
    assert not list(tmp_path.iterdir())
    for device in ("/dev/null", "/dev/full"):
        require_writable(type(tmp_path)(device))
        assert os.path.exists(device)


COMMANDS = [
    ("generate", "--embodiment", "mobile_base", "--out"),
    ("demo", "--out"),
    ("evaluate", "--json"),
    ("evaluate", "--report", "--out"),
    ("bench", "model", "--json"),
    ("bench", "sim", "--json"),
    ("bench", "chunks", "--json"),
    ("bench", "control", "--json"),
    ("bench", "handover", "--json"),
    ("bench", "record", "--json"),
]


@pytest.mark.parametrize(
    ("where", "command"),
    [*(("file/new", command) for command in COMMANDS), ("/proc/new", COMMANDS[0])],
)
def test_when_the_output_cannot_be_written_expect_status_two_and_one_line_at_once(
    start, tmp_path, command, where
):
    (tmp_path / "file").touch()
    running = start(*command, where, cwd=tmp_path)
    assert running.end() == 2
    name = f"qwen-vla {command[0]}: "
    assert running.said.startswith(name) and running.said.count("\n") == 1, running.said
    assert f"{where} cannot be written: " in running.said
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_when_the_disk_is_full_expect_one_line_and_no_half_file(start, tmp_path):
    def small_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    arguments = ("--embodiment", "mobile_base", "--episodes", 2, "--workers", 1, "--out", tmp_path)
    # Python would cut off the bytecode that it keeps of what it imports.
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    command = start("generate", *arguments, preexec_fn=small_disk, env=environment)
    assert command.end() == 2
    last = command.said.splitlines()[-1]
    assert "10000.npz cannot be written: File too large" in last
    assert "Traceback" not in command.said
    assert [path.name for path in tmp_path.iterdir()] == []


@pytest.mark.parametrize("device", ["/dev/full"])
def test_when_a_result_does_not_fit_in_the_end_expect_one_line(start, device):
    one = ("--embodiment", "mobile_base", "--expert", "--episodes", 1, "--workers", 1)
    command = start("evaluate", *one, "--json", device)
    assert command.end() == 2
    assert f"{device} cannot be written: No space left on device" in command.said
    assert "Traceback" not in command.said


def test_when_another_demo_writes_to_the_folder_expect_refusal(start, tmp_path):
    with output_folder(tmp_path):
        command = start("demo", "--out", tmp_path)
        assert command.end() == 2
    assert "another command is writing to" in command.said and command.said.count("\n") == 1
