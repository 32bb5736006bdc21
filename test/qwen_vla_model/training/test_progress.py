"""The progress of a run fits a terminal, and is a line now and then in a log."""

import fcntl
import os
import re
import struct
import sys
import termios
import time

import pytest

from qwen_vla_model.training.progress import ProgressBar


@pytest.fixture
def terminal(monkeypatch):
    """A terminal of some columns in the place of standard error; returns what it was sent."""
    master, slave = os.openpty()
    file = os.fdopen(slave, "w", buffering=1)

    def sent():
        monkeypatch.undo()
        file.close()
        parts = []
        try:
            while part := os.read(master, 100_000):
                parts.append(part)
        except OSError:  # a terminal that nobody has open any more
            pass
        return b"".join(parts).decode()

    def open_terminal(columns):
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        monkeypatch.setattr(sys, "stderr", file)
        return sent

    yield open_terminal
    os.close(master)


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_when_there_is_a_terminal_expect_one_line_that_fits_with_the_share_of_the_run(
    terminal, monkeypatch, columns
):
    sent = terminal(columns)
    with ProgressBar(0.25) as bar:
        bar._bar.mininterval = 0.0
        for step in (110, 120):
            bar.show(step / 400, step, 0.123456)
    sent_lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[\w", "", sent()))
    lines = [line for line in sent_lines if line]
    assert all(len(line) <= columns for line in lines)
    assert lines[0].startswith(" 25 %|")
    assert lines[-1].startswith(" 30 %|") and "step 120, loss 0.1235" in lines[-1]


def test_when_there_is_none_expect_a_line_a_minute_and_one_at_the_end(capsys, monkeypatch):
    now_s = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    with ProgressBar(0.5) as bar:
        for step in range(1, 501):
            now_s[0] += 0.5
            bar.show(0.5 + step / 1000, step, 1 / step)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        " 50 %, step 1, loss 1.0000, 04:09 left",
        " 62 %, step 121, loss 0.0083, 03:09 left",
        " 74 %, step 241, loss 0.0041, 02:09 left",
        " 86 %, step 361, loss 0.0028, 01:09 left",
        " 98 %, step 481, loss 0.0021, 00:09 left",
        "100 %, step 500, loss 0.0020, 00:00 left",
    ]
