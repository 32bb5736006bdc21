"""What a node's exit status means, in words."""

import signal

import pytest

from qwen_vla_core.exit_status import FAILED, NOT_STARTED, TOLD_TO_END, explain_exit


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (TOLD_TO_END, "exit status 0: it was told to end"),
        (NOT_STARTED, "could not start"),
        (FAILED, "traceback"),
        (3, "exit status 3"),
        (-signal.SIGKILL, "ended by SIGKILL: somebody killed it, or the kernel"),
        (-signal.SIGSEGV, "ended by SIGSEGV: a crash"),
        (-signal.SIGHUP, "ended by SIGHUP: somebody"),
        (-99, "ended by signal 99"),
    ],
)
def test_when_a_process_has_ended_expect_its_status_in_words(status, words):
    assert words in explain_exit(status)
