"""A policy without a network whose answers tell which question they belong to, and its server."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_core.observation.empty_scene import empty_scene
from qwen_vla_remote.engine import Served
from qwen_vla_remote.server import PolicyServer
from robots import WIDOWX


def scene(robot, mark=0.0, **changed):
    """What the robot sees, with small images; the policy answers ``mark``."""
    seen = empty_scene(robot, 48, 64)
    images = {name: np.full_like(image, round(mark * 200)) for name, image in seen.images.items()}
    return replace(seen, images=images, **changed)


class ScriptedPolicy:
    """Answers with the brightness of the images, after ``delay_s``."""

    def __init__(self, robot, delay_s=0.0):
        self.robot, self.delay_s = robot, delay_s
        self.batches = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def infer(self, observation, prefix=None):
        (answer,) = self._answers([observation], [prefix])
        return answer

    def _answers(self, observations, prefixes):
        self.batches.append(len(observations))
        assert self.may_go_on.wait(30.0)
        time.sleep(self.delay_s)  # what a GPU would take
        return [self._answer(o, p) for o, p in zip(observations, prefixes, strict=True)]

    def _answer(self, observation, prefix):
        if observation.instruction == "fail":
            raise ValueError("as it was told")
        image = next(iter(observation.images.values()))
        shape = (self.robot.horizon, len(self.robot.action_channels))
        actions = np.full(shape, min(float(image.mean()) / 200, 1.0), np.float32)
        if prefix is not None:
            actions[: prefix.committed] = prefix.actions_NC[: prefix.committed]
        if observation.instruction == "not a number":
            actions[-1, -1] = np.nan
        return actions


class BatchingPolicy(ScriptedPolicy):
    """The same, for several robots in the time of one."""

    def infer_batch(self, observations, prefixes):
        return self._answers(observations, prefixes)


@contextmanager
def serving(policy, robot, **options):
    """A server in a thread: the server, whose ``end`` tells it to end, and its address."""
    served = {robot.name: Served(policy=policy, codec=EmbodimentCodec(robot))}
    server = PolicyServer("scripted", served, **{"port": 0, **options})
    ports, listening, loop = [], threading.Event(), asyncio.new_event_loop()

    def on_port(port):
        ports.append(port)
        listening.set()

    task = loop.create_task(server.run(on_port))

    def run():
        asyncio.set_event_loop(loop)
        loop.run_until_complete(asyncio.gather(task, return_exceptions=True))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    server.end = lambda: loop.call_soon_threadsafe(task.cancel)
    try:
        assert listening.wait(20.0)
        yield server, f"{'wss' if 'tls' in options else 'ws'}://127.0.0.1:{ports[0]}"
    finally:
        policy.may_go_on.set()
        server.end()
        thread.join(20.0)


@contextmanager
def server_process(delay_s=0.0, port=0):
    """A server of a WidowX in a process of its own: the process and its address."""
    command = [sys.executable, __file__, json.dumps([delay_s, port])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process, f"ws://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


def main():
    """Seconds per inference and port as JSON; prints the port."""
    delay_s, port = json.loads(sys.argv[1])
    robot = load_embodiment(WIDOWX)
    served = Served(policy=BatchingPolicy(robot, delay_s), codec=EmbodimentCodec(robot))
    server = PolicyServer("scripted", {robot.name: served}, port=port)
    asyncio.run(server.run(lambda port: print(port, flush=True)))


if __name__ == "__main__":
    main()
