"""What workers of a pool do in tests: a worker imports it from here by its name."""

import os
import signal
import threading

import cv2

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.whole_file import write_whole

_greeting = ""


def greet(word):
    global _greeting
    _greeting = word


def greeted(name):
    return f"{_greeting} {name}"


def threads(name):
    return os.environ[name], cv2.getNumThreads()


def die(item):
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(item):
    raise QwenVlaError(f"{item} is too heavy")


def slow(job):
    """Begins a file, and would take two minutes to finish it."""
    folder, number = job
    with write_whole(folder / f"{number}") as partial:
        partial.write_text("half")
        for _ in range(1200):
            threading.Event().wait(0.1)
