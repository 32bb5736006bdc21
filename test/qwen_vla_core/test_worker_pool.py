"""Workers end with the command that started them, however it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from child_processes import alive, descendants, wait_for
from pool_work import die, greet, greeted, refuse, threads
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.worker_pool import WorkerPool


def test_when_work_is_done_expect_results_in_order_from_workers_that_were_prepared():
    with WorkerPool(2, greet, "hello") as pool:
        assert list(pool.map(greeted, "abcde")) == [f"hello {name}" for name in "abcde"]
        assert list(pool.map(greeted, "f")) == ["hello f"]  # and again with the same workers


def test_when_a_worker_computes_expect_one_thread():
    with WorkerPool(1) as pool:
        assert list(pool.map(threads, ["LP_NUM_THREADS", "OMP_NUM_THREADS"])) == [("1", 1)] * 2


@pytest.mark.parametrize("function", [refuse, greeted])
def test_when_work_or_preparation_is_refused_expect_its_own_words(function):
    arguments = () if function is refuse else (refuse, "brick")
    with pytest.raises(QwenVlaError, match="brick is too heavy"):
        with WorkerPool(2, *arguments) as pool:
            list(pool.map(function, ["brick", "feather"]))


def test_when_a_worker_is_killed_expect_one_sentence_and_what_to_do():
    with pytest.raises(QwenVlaError, match="1 worker processes was killed.*--workers"):
        with WorkerPool(1) as pool:
            list(pool.map(die, [0, 1]))


PROGRAM = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from qwen_vla_core.worker_pool import WorkerPool
from pool_work import slow

def press_again(frame, event, argument):
    if event == "call" and frame.f_code is WorkerPool.__exit__.__code__:
        os.kill(os.getpid(), signal.SIGINT)

if __name__ == "__main__":
    sys.setprofile(press_again)  # at the worst moment
    with WorkerPool(2) as pool:
        list(pool.map(slow, [(Path({out!r}), i) for i in range(20)]))
"""


@pytest.fixture
def busy(tmp_path):
    """A program in a process group of its own, as of a terminal, whose two workers work."""
    out = tmp_path / "out"
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(folder=str(Path(__file__).parents[1]), out=str(out)))
    process = subprocess.Popen(
        [sys.executable, program],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: len(list(out.glob(".*.partial"))) == 2, 60.0, "work in both processes")
    yield process, descendants(process.pid), out
    process.kill()


@pytest.mark.parametrize("presses", [1, 3])
def test_when_it_is_interrupted_expect_workers_gone_in_three_seconds_and_nothing_half_written(
    busy, presses
):
    process, children, out = busy
    begin_s = time.monotonic()
    for _ in range(presses):
        os.killpg(process.pid, signal.SIGINT)
    errors = process.communicate(timeout=20)[1]
    assert time.monotonic() - begin_s < 3.0
    # The program's own traceback, one for each press that reached it; no worker's.
    assert 1 <= errors.count("Traceback") <= presses
    assert "spawn_main" not in errors and "Process-" not in errors
    wait_for(lambda: not alive(children), 5.0, "the end of all children")
    assert list(out.iterdir()) == []


def test_when_the_command_is_killed_expect_its_workers_gone(busy):
    process, children, out = busy
    process.kill()
    process.wait()
    wait_for(lambda: not alive(children), 5.0, "the end of all children")
    assert list(out.iterdir()) == []
