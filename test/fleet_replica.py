"""Replicas of a fleet with policies without a network, and the fleet in a thread."""

import asyncio
import functools
import socket
import sys
import threading
from contextlib import suppress

import numpy as np

from child_processes import alive, wait_for
from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_remote.engine import Served
from qwen_vla_remote.fleet import Fleet
from qwen_vla_remote.link import READY, Link
from qwen_vla_remote.server import PolicyServer
from robots import WIDOWX, pwm_arm_text, robot
from scripted_policy import BatchingPolicy

ROBOT = load_embodiment(WIDOWX)
ARM = robot(pwm_arm_text())
PASS_S = 0.02


class Checkpoint(BatchingPolicy):
    """Answers its version in tenths and its replica in hundredths."""

    def __init__(self, version, number):
        super().__init__(ROBOT, PASS_S)
        shape = (ROBOT.horizon, len(ROBOT.action_channels))
        self._actions = np.full(shape, version / 10 + number / 100, np.float32)

    def _answer(self, observation, prefix):
        return self._actions


def serve_replica(file, number, link):
    """The process of a replica, with the version of the "checkpoint" in a file."""
    text = file.read_text()
    if not text.isdigit():
        sys.exit("damaged")
    _serve(Checkpoint(int(text), number), link)


def serve_moving_arm(gate, number, link):
    """A replica that moves an arm; it has loaded when the file ``gate`` is there."""
    wait_for(gate.exists, 120.0, "the weights")
    _serve(BatchingPolicy(ARM, PASS_S), link)


def _serve(policy, link):
    robot = policy.robot
    served = Served(policy=policy, codec=EmbodimentCodec(robot))
    ours = Link(fileno=link.detach())
    server = PolicyServer("scripted", {robot.name: served}, port=0, link=ours)
    with suppress(asyncio.CancelledError):
        asyncio.run(server.run(lambda port: ours.send(READY)))


class Running:
    """A fleet in a thread.

    Attributes:
        url: of its port.
        file: what its replicas load.
    """

    def __init__(self, serve, file, replicas=2):
        self.file = file
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}"
        self.fleet = Fleet(functools.partial(serve, file), replicas, self._listener)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._ready = threading.Event()

    def __enter__(self):
        self._work = self._submit(self.fleet.run(self._ready.set))
        while not self._ready.wait(0.05):
            if self._work.done():
                self._work.result()
        return self

    def __exit__(self, *error):
        pids = list(self.fleet.pids.values())
        self._work.cancel()
        wait_for(lambda: not alive(pids), 20.0, "the end of every replica")
        self._listener.close()

    def _submit(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def busy(self):
        """Numbers of the replicas that have connections."""
        return [n for n, replica in self.fleet._serving.items() if replica.connections]

    def update(self):
        self._submit(self.fleet.update()).result(60.0)
