"""`qwen-vla teleop` in a terminal of its own: what it publishes, and the terminal afterwards."""

import os
import pty
import signal
import subprocess
import sys
import termios
import time

import pytest
from sensor_msgs.msg import Joy

WAIT_S = 40.0


class Terminal:
    """The command in a pseudo-terminal, and what it publishes."""

    def __init__(self, ros):
        self.ours, self.theirs = pty.openpty()
        self.before = termios.tcgetattr(self.theirs)
        command = [sys.executable, "-m", "qwen_vla_cli.main", "teleop"]
        self.process = subprocess.Popen(
            command, stdin=self.theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.ros, self.node = ros, ros.create_node("listener")
        self.messages = []
        self.node.create_subscription(Joy, "teleop/keyboard", self.messages.append, 10)

    def until(self, condition, what, keys=""):
        deadline_s = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline_s, what
            if keys:
                os.write(self.ours, keys.encode())
            self.ros.spin_once(self.node, timeout_sec=0.05)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        os.close(self.ours)
        os.close(self.theirs)
        self.node.destroy_node()


@pytest.fixture
def terminal(ros):
    one = Terminal(ros)
    yield one
    one.close()


@pytest.mark.parametrize("end", ["q", "\x03", signal.SIGTERM, signal.SIGHUP])
def test_when_it_ends_in_any_way_expect_keys_published_before_and_the_terminal_as_it_was(
    terminal, end
):
    terminal.until(lambda: terminal.messages, "it publishes")
    assert list(terminal.messages[-1].buttons) == [0] * 8
    assert termios.tcgetattr(terminal.theirs)[3] != terminal.before[3]
    os.write(terminal.ours, b" ")
    terminal.until(lambda: terminal.messages[-1].buttons[0] == 1, "space presses")
    terminal.until(lambda: terminal.messages[-1].axes[0] == 1.0, "w moves ahead", keys="w")
    if isinstance(end, str):
        os.write(terminal.ours, end.encode())
    else:
        terminal.process.send_signal(end)
    terminal.until(lambda: terminal.process.poll() is not None, "it ends")
    terminal.until(lambda: terminal.messages[-1].buttons[0] == 0, "it lets go")
    assert termios.tcgetattr(terminal.theirs) == terminal.before


def test_when_there_is_no_terminal_expect_one_line_that_says_so():
    command = [sys.executable, "-m", "qwen_vla_cli.main", "teleop"]
    run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert run.returncode == 2 and "needs a terminal" in run.stderr
