"""What a node's exit status means, in words."""

import signal

import pytest

from qwen_vla_core.exit_status import ENDED_ON_REQUEST, FAILED, NOT_STARTED, explain_exit


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (ENDED_ON_REQUEST, "exit status 0: it ended on request (Ctrl-C or SIGTERM)"),
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
