"""A replica of a fleet, whose policy answers what it was loaded from and which replica it is."""

import asyncio
import sys
from contextlib import suppress

import numpy as np

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_remote.engine import Served
from qwen_vla_remote.link import READY, Link
from qwen_vla_remote.server import PolicyServer
from robots import WIDOWX
from scripted_policy import BatchingPolicy

ROBOT = load_embodiment(WIDOWX)
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
    served = Served(policy=Checkpoint(int(text), number), codec=EmbodimentCodec(ROBOT))
    ours = Link(fileno=link.detach())
    server = PolicyServer("scripted", {ROBOT.name: served}, port=0, link=ours)
    with suppress(asyncio.CancelledError):
        asyncio.run(server.run(lambda port: ours.send(READY)))
