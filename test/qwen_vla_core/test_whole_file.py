"""A file is whole or as before: on errors, on a full disk, after SIGKILL, and on devices."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from full_disk import full_disk
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.whole_file import write_whole


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_when_a_block_ends_expect_the_new_content_in_a_folder_that_was_made_for_it(tmp_path):
    path = tmp_path / "a" / "b" / "result.json"
    for text in ("old", "new"):
        with write_whole(path) as partial:
            assert partial.parent == path.parent and partial.name.startswith(".")
            partial.write_text(text)
        assert path.read_text() == text
    assert names(path.parent) == ["result.json"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_when_a_block_raises_expect_the_old_content_and_nothing_beside_it(tmp_path, error):
    path = tmp_path / "result.json"
    path.write_text("old")
    with pytest.raises(error), write_whole(path) as partial:
        partial.write_text("ne")
        raise error
    assert path.read_text() == "old" and names(tmp_path) == ["result.json"]


def test_when_the_disk_is_full_expect_one_line_with_the_file_and_nothing_left(tmp_path):
    path = tmp_path / "result.json"
    path.write_text("old")
    words = r"result\.json cannot be written: File too large"
    with full_disk(1000), pytest.raises(QwenVlaError, match=words):
        with write_whole(path) as partial:
            partial.write_bytes(bytes(10_000))
    assert path.read_text() == "old" and names(tmp_path) == ["result.json"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [("file/x/y.json", "Not a directory"), ("folder", "Is a directory"), ("a" * 300, "too long")],
)
def test_when_a_path_cannot_be_a_file_expect_one_line_with_the_reason(tmp_path, path, reason):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(QwenVlaError, match=f"cannot be written: .*{reason}") as refused:
        with write_whole(tmp_path / path) as partial:
            partial.write_text("new")
    assert "\n" not in str(refused.value)
    assert names(tmp_path) == ["file", "folder"] and names(tmp_path / "folder") == []


def test_when_the_kernel_allows_no_file_there_expect_one_line():
    with pytest.raises(QwenVlaError, match=r"/proc/result\.json cannot be written: "):
        with write_whole(Path("/proc/result.json")) as partial:
            partial.write_text("new")


def test_when_a_process_was_killed_while_it_wrote_expect_its_leftover_to_go_with_the_next_write(
    tmp_path,
):
    path = tmp_path / "result.json"
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from qwen_vla_core.whole_file import write_whole\n"
        "with write_whole(Path(sys.argv[1])) as partial:\n"
        "    partial.write_text('ne'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program, path], check=False)
    (left,) = names(tmp_path)
    assert left.endswith(".partial")
    (tmp_path / f".result.json.{os.getppid()}.partial").touch()  # of a process that runs
    (tmp_path / ".other.json.1.partial").touch()
    with write_whole(path) as partial:
        partial.write_text("new")
    kept = [f".result.json.{os.getppid()}.partial", ".other.json.1.partial", "result.json"]
    assert names(tmp_path) == sorted(kept)


def test_when_the_path_is_a_link_expect_the_file_behind_it_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "result.json"
    link.symlink_to(tmp_path / "real" / "file.json")
    with write_whole(link) as partial:
        partial.write_text("new")
    assert link.is_symlink() and (tmp_path / "real" / "file.json").read_text() == "new"
    assert names(tmp_path / "real") == ["file.json"]


def test_when_the_path_is_a_pipe_expect_it_written_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with write_whole(pipe) as partial:
        partial.write_text("new")
    assert os.read(reader, 10) == b"new" and pipe.is_fifo()
    os.close(reader)
