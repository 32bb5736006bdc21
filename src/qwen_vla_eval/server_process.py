"""`qwen-vla serve` as a child process that never outlives the command that started it."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from qwen_vla_core.child_process import die_with_parent, end_by_interrupt
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.interrupts import interrupts_held_back

START_TIMEOUT_S = 180.0
"""Torch, the weights, and two passes for each robot on a busy two-core machine: about 40 s."""
STOP_TIMEOUT_S = 15.0
"""More than a server that ends gives to those that wait for an answer."""


@contextmanager
def server_process(
    checkpoint: Path,
    embodiments: Sequence[Path],
    log: Path,
    on_status: Callable[[str], None] = lambda text: None,
) -> Iterator[str]:
    """Serve a checkpoint to robots on this machine; yields the address, ws://...

    Args:
        checkpoint: its folder.
        embodiments: YAML files of the robots.
        log: where the server's output goes.
        on_status: called now and then while it loads, and with "" when it is there.
    Raises:
        QwenVlaError: it ended, or it takes too long; with the end of its log.
    """
    command = [sys.executable, "-m", "qwen_vla_cli.main", "serve", "--port", "0"]
    command += ["--checkpoint", str(checkpoint)]
    for path in embodiments:
        command += ["--embodiment", str(path)]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output, interrupts_held_back():
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches us alone: the robots stop first
            preexec_fn=die_with_parent,
        )
    try:
        yield _address(process, log, on_status)
    finally:
        end_by_interrupt(process, STOP_TIMEOUT_S)


def _address(process: subprocess.Popen, log: Path, on_status: Callable[[str], None]) -> str:
    start_s = time.monotonic()
    while (waited_s := time.monotonic() - start_s) < START_TIMEOUT_S:
        ended = process.poll() is not None
        said = log.read_text(errors="replace")
        if found := re.search(r"^serving (\S+)$", said, re.MULTILINE):
            on_status("")
            return found[1]
        if ended:
            raise QwenVlaError(f"the policy server ended:\n  {_end(said)}")
        on_status(f"the policy server loads ({waited_s:.0f} s)")
        time.sleep(0.1)
    raise QwenVlaError(
        f"the policy server is not there after {START_TIMEOUT_S:g} s:\n  {_end(said)}"
    )


def _end(said: str) -> str:
    return "\n  ".join(said.splitlines()[-15:])
