"""What a shell gets when somebody presses Tab after `qwen-vla`."""

import os
import subprocess
import sys

import pytest

from qwen_vla_core.resources import embodiments_directory

# As the shell function of argcomplete calls a command: completions go to descriptor 8, one after
# the other with this character between them.
SEPARATOR = "\v"
PROGRAM = "import sys; from qwen_vla_cli.main import main; sys.argv = ['qwen-vla']; main()"


def completions(line):
    read, write = os.pipe()
    try:
        with os.fdopen(read) as answers:
            subprocess.run(
                ["bash", "-c", f'exec 8>&{write} 9>/dev/null; exec "$@"', "bash"]
                + [sys.executable, "-c", PROGRAM],
                env={
                    **os.environ,
                    "_ARGCOMPLETE": "1",
                    "_ARGCOMPLETE_SHELL": "bash",
                    "_ARGCOMPLETE_IFS": SEPARATOR,
                    "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
                    "COMP_LINE": line,
                    "COMP_POINT": str(len(line)),
                },
                pass_fds=[write],
                check=True,
            )
            os.close(write)
            write = None
            return {answer.strip() for answer in answers.read().split(SEPARATOR)}
    finally:
        if write is not None:
            os.close(write)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("qwen-vla ev", {"evaluate"}),
        ("qwen-vla evaluate --shi", {"--shift"}),
        ("qwen-vla check wid", {"widowx", "widowx_mobile"}),
        ("qwen-vla generate --embodiment aloha --task pi", {"pick_up_cube"}),
        ("qwen-vla evaluate --shift in", {"in_distribution", "instance", "instruction"}),
    ],
)
def test_when_tab_is_pressed_expect_what_can_follow(line, expected):
    assert completions(line) == expected


def test_when_an_embodiment_is_requested_expect_every_shipped_one():
    shipped = {path.stem for path in embodiments_directory().glob("*.yaml")}
    assert shipped <= completions("qwen-vla demo --embodiment ")
