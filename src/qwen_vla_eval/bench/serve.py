"""The wire and the server: what a policy on another machine costs beside one in the process."""

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import repeat

import numpy as np

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec
from qwen_vla_core.execution import Prefix
from qwen_vla_core.observation import resize_view
from qwen_vla_core.observation.empty_scene import empty_scene
from qwen_vla_core.types import Observation
from qwen_vla_remote.client import RemotePolicy
from qwen_vla_remote.engine import Served
from qwen_vla_remote.server import PolicyServer

from ..tables import Table

DEADLINE_S = 30.0
VIEW = 224
"""Width and height of the views that are sent: openpi's."""


class PretendedPolicy:
    """Answers that the robot should stand still, after the time that a GPU would take."""

    def __init__(self, robot: Embodiment, gpu_s: float) -> None:
        self._shape = (robot.horizon, len(robot.action_channels))
        self._cameras = {camera.name: camera for camera in robot.cameras}
        self._gpu_s = gpu_s

    def infer(self, observation: Observation, prefix: Prefix | None = None) -> np.ndarray:
        """As ``Policy.infer``."""
        for name, image in observation.images.items():
            resize_view(image, self._cameras[name])
        time.sleep(self._gpu_s)
        return np.zeros(self._shape, np.float32)


class PretendedBatchPolicy(PretendedPolicy):
    """The same, for several robots in the time of one."""

    def infer_batch(
        self, observations: Sequence[Observation], prefixes: Sequence[Prefix | None]
    ) -> list[np.ndarray]:
        """As ``BatchPolicy.infer_batch``."""
        return [self.infer(observations[0], prefixes[0])] * len(observations)


def measure_serve(robot: Embodiment, counts: Sequence[int], requests: int, gpu_s: float) -> dict:
    """Direct calls, then so many robots at once of a server in another process, over loopback.

    Args:
        counts: of robots.
        requests: of each robot, in each measurement.
        gpu_s: pretended time of one pass.
    """
    views = [camera.model_copy(update={"width": VIEW, "height": VIEW}) for camera in robot.cameras]
    robot = robot.model_copy(update={"cameras": tuple(views)})
    policy = PretendedPolicy(robot, gpu_s)
    results = [_summary("in the process", 1, [_times(policy.infer, robot, requests)])]
    for way, kind in (("batches", PretendedBatchPolicy), ("one at a time", PretendedPolicy)):
        with _server(robot, kind, gpu_s) as url:
            results += [_ask(way, url, robot, n, requests) for n in counts]
    return {"gpu_ms": gpu_s * 1e3, "views": len(views), "results": results}


def measure_url(url: str, robot: Embodiment, counts: Sequence[int], requests: int) -> dict:
    """The same of a server that runs.

    Raises:
        QwenVlaError: it cannot be reached, or does not serve this robot.
    """
    results = [_ask(url, url, robot, n, requests) for n in counts]
    return {"url": url, "views": len(robot.cameras), "results": results}


def table(measured: dict) -> Table:
    """What a person reads."""
    what = measured.get("url") or f"pretended GPU of {measured['gpu_ms']:g} ms"
    return Table(
        title=f"round trip, {measured['views']} views, {what}",
        columns=("way", "robots", "p50 ms", "p90 ms", "p99 ms", "chunks/s"),
        rows=[
            (
                result["way"],
                str(result["robots"]),
                *(f"{result[key]:.1f}" for key in ("p50_ms", "p90_ms", "p99_ms")),
                f"{result['chunks_per_s']:.1f}",
            )
            for result in measured["results"]
        ],
    )


def _ask(way: str, url: str, robot: Embodiment, count: int, requests: int) -> dict:
    policies = [RemotePolicy(url, robot, DEADLINE_S) for _ in range(count)]
    try:
        with ThreadPoolExecutor(count) as pool:
            asks = [policy.infer for policy in policies]
            times = list(pool.map(_times, asks, repeat(robot), repeat(requests)))
    finally:
        for policy in policies:
            policy.close()
    return _summary(way, count, times)


def _times(infer: Callable, robot: Embodiment, requests: int) -> np.ndarray:
    """Seconds of each call, after some that are not counted."""
    scene, spent_s = empty_scene(robot, VIEW, VIEW), []
    for _ in range(requests + 3):
        begin_s = time.perf_counter()
        infer(scene)
        spent_s.append(time.perf_counter() - begin_s)
    return np.array(spent_s[3:])


def _summary(way: str, count: int, times: Sequence[np.ndarray]) -> dict:
    all_ms = np.concatenate(times) * 1e3
    p50_ms, p90_ms, p99_ms = (float(q) for q in np.percentile(all_ms, (50, 90, 99)))
    return {
        "way": way,
        "robots": count,
        "p50_ms": p50_ms,
        "p90_ms": p90_ms,
        "p99_ms": p99_ms,
        "chunks_per_s": float(sum(len(of_one) / of_one.sum() for of_one in times)),
    }


@contextmanager
def _server(robot: Embodiment, kind: type[PretendedPolicy], gpu_s: float):
    """A server in a process of its own: its address."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(robot, kind, gpu_s, theirs), daemon=True)
    process.start()
    theirs.close()  # or its end could not be seen
    try:
        yield f"ws://127.0.0.1:{ours.recv()}"
    finally:
        process.kill()
        process.join()


def _serve(robot: Embodiment, kind: type[PretendedPolicy], gpu_s: float, pipe) -> None:
    served = Served(policy=kind(robot, gpu_s), codec=EmbodimentCodec(robot))
    asyncio.run(PolicyServer("pretended", {robot.name: served}, port=0).run(pipe.send))
