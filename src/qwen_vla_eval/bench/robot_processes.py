"""Robots in processes of their own, that ask a policy server as fast as it answers."""

import multiprocessing
import time
from array import array
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection

import numpy as np

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.observation.empty_scene import empty_scene
from qwen_vla_remote.client import RemotePolicy
from qwen_vla_remote.process import prepare_process

DEADLINE_S = 30.0
WARM_UP = 3
"""Requests of each robot that are not measured."""


class RobotProcesses:
    """A context manager; its processes end with it."""

    def __init__(self, robot: Embodiment, count: int, view: int) -> None:
        """Describe them.

        Args:
            view: width and height of the images that are sent, pixels.
        """
        self._arguments, self._count = (robot, view), count
        self._pipes: list[Connection] = []
        self._processes: list[multiprocessing.Process] = []

    def __enter__(self) -> "RobotProcesses":
        spawn = multiprocessing.get_context("spawn")
        for _ in range(self._count):
            ours, theirs = spawn.Pipe()
            process = spawn.Process(target=_robot, args=(*self._arguments, theirs), daemon=True)
            process.start()
            theirs.close()  # or its end could not be seen
            self._pipes.append(ours)
            self._processes.append(process)
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._processes:
            process.kill()
            process.join()

    @property
    def pids(self) -> list[int]:
        """Their process ids."""
        return [process.pid for process in self._processes]

    def ask(
        self, url: str, count: int, *, requests: int | None = None, seconds: float | None = None
    ) -> list[np.ndarray]:
        """How long each request of ``count`` robots at once took, s, an array for each robot.

        Args:
            requests: of each robot, or
            seconds: for how long they ask.
        Raises:
            QwenVlaError: a request was not answered.
        """
        pipes = self._pipes[:count]
        for pipe in pipes:
            pipe.send((url, requests, seconds))
        self._receive(pipes)  # all are connected and have their first answers
        for pipe in pipes:
            pipe.send("go")
        return self._receive(pipes)

    def _receive(self, pipes: Sequence[Connection]) -> list[np.ndarray]:
        received = [pipe.recv() for pipe in pipes]
        for value in received:
            if isinstance(value, QwenVlaError):
                raise value
        return received


def _robot(robot: Embodiment, view: int, pipe: Connection) -> None:
    prepare_process()
    scene = empty_scene(robot, view, view)
    with suppress(EOFError):  # its parent is gone
        while True:
            try:
                pipe.send(_measure(robot, scene, pipe, *pipe.recv()))
            except QwenVlaError as error:
                pipe.send(error)


def _measure(
    robot: Embodiment, scene, pipe: Connection, url: str, requests: int | None, seconds: float
) -> np.ndarray:
    policy = RemotePolicy(url, robot, DEADLINE_S)
    for _ in range(WARM_UP):
        policy.infer(scene)
    pipe.send(None)
    pipe.recv()
    spent_s, start_s = array("d"), time.perf_counter()
    while len(spent_s) < requests if requests else time.perf_counter() < start_s + seconds:
        begin_s = time.perf_counter()
        policy.infer(scene)
        spent_s.append(time.perf_counter() - begin_s)
    policy.close()
    return np.array(spent_s)
