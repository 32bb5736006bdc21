"""The wire and the server: what a policy on another machine costs beside one in the process.

Every robot is a process of its own, as it is a computer of its own, and asks again as soon as it
has an answer: no robot asks for more.
"""

import asyncio
import functools
import http.client
import multiprocessing
import os
import re
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

import numpy as np

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec
from qwen_vla_core.execution import Prefix
from qwen_vla_core.observation import resize_view
from qwen_vla_core.observation.empty_scene import empty_scene
from qwen_vla_core.policy import Policy
from qwen_vla_core.types import Observation
from qwen_vla_remote.client import API_KEY
from qwen_vla_remote.engine import Served
from qwen_vla_remote.process import prepare_process
from qwen_vla_remote.server import PolicyServer

from ..tables import Table
from .robot_processes import WARM_UP, RobotProcesses
from .stock_loop import serve_stock

VIEW = 224
"""Width and height of the views that are sent: openpi's."""
IN_PROCESS, OURS, STOCK = "in the process", "qwen-vla serve", "openpi's loop"
RAY = "qwen-vla fleet up"

OVERHEAD_GOAL_MS, MANY_GOAL, STOCK_GOAL = 3.0, 1.6, 0.5


class PretendedPolicy:
    """Answers that the robot should stand still, after the time that a GPU would take."""

    def __init__(self, robot: Embodiment, gpu_s: float) -> None:
        self._shape = (robot.horizon, len(robot.action_channels))
        self._cameras = {camera.name: camera for camera in robot.cameras}
        self._gpu_s = gpu_s

    def infer(self, observation: Observation, prefix: Prefix | None = None) -> np.ndarray:
        """As ``Policy.infer``."""
        (chunk,) = self.infer_batch([observation], [prefix])
        return chunk

    def infer_batch(
        self, observations: Sequence[Observation], prefixes: Sequence[Prefix | None]
    ) -> list[np.ndarray]:
        """As ``BatchPolicy.infer_batch``: several robots in the time of one."""
        for name, image in observations[0].images.items():
            resize_view(image, self._cameras[name])
        time.sleep(self._gpu_s)
        return [np.zeros(self._shape, np.float32)] * len(observations)


def measure_serve(
    robot: Embodiment, counts: Sequence[int], requests: int, gpu_s: float, with_ray: bool = False
) -> dict:
    """Direct calls, then several robots at once at servers in another process, over loopback.

    Args:
        counts: of robots.
        requests: of each robot, in each measurement.
        gpu_s: pretended time of one pass.
        with_ray: also a fleet of one replica, which Ray runs.
    """
    robot = _with_openpis_views(robot)
    policy = PretendedPolicy(robot, gpu_s)
    results = [_summary(IN_PROCESS, [_times(policy, robot, requests)], 1.0)]
    with RobotProcesses(robot, max(counts), VIEW) as robots:
        ways = [(OURS, _serve_ours), (STOCK, _serve_stock)]
        for way, serve in [*ways, (RAY, serve_with_ray)] if with_ray else ways:
            with served(serve, robot, gpu_s) as (url, _):
                results += [_ask(way, url, robots, n, requests) for n in counts]
    measured = {"gpu_ms": gpu_s * 1e3, "views": len(robot.cameras), "results": results}
    return measured | {"goals": _goals(results)}


def measure_url(url: str, robot: Embodiment, counts: Sequence[int], requests: int) -> dict:
    """The same of a server that runs.

    Raises:
        QwenVlaError: it cannot be reached, or does not serve this robot.
    """
    with RobotProcesses(robot, max(counts), VIEW) as robots:
        results = [_ask(url, url, robots, n, requests) for n in counts]
    return {"url": url, "views": len(robot.cameras), "results": results, "goals": []}


def soak(robot: Embodiment, count: int, seconds: float, gpu_s: float) -> dict:
    """A number of robots for some minutes: what is lost, and how each process's memory grows.

    Raises:
        QwenVlaError: a request was not answered.
    """
    robot = _with_openpis_views(robot)
    with (
        RobotProcesses(robot, count, VIEW) as robots,
        served(_serve_ours, robot, gpu_s) as (url, pid),
    ):
        pids = {"server": pid} | {f"robot {n}": p for n, p in enumerate(robots.pids, 1)}
        for _ in range(2):  # until memory has settled, also that of connections made again
            robots.ask(url, count, seconds=0.05 * seconds)
        before = {name: _resident_bytes(pid) for name, pid in pids.items()}
        times = robots.ask(url, count, seconds=0.9 * seconds)
        after = {name: _resident_bytes(pid) for name, pid in pids.items()}
    return {
        "minutes": seconds / 60,
        "robots": count,
        "answers": sum(map(len, times)),
        "longest_ms": float(max(of_one.max() for of_one in times) * 1e3),
        "memory_mib": {name: value / 2**20 for name, value in after.items()},
        "memory_growth": {name: value / before[name] - 1 for name, value in after.items()},
    }


def table(measured: dict) -> Table:
    """What a person reads."""
    what = measured.get("url") or f"pretended GPU of {measured['gpu_ms']:g} ms"
    return Table(
        title=f"round trip, {measured['views']} views, {what}",
        columns=("way", "robots", "p50 ms", "p90 ms", "p99 ms", "chunks/s", "a pass answers"),
        rows=[
            (
                result["way"],
                str(result["robots"]),
                *(f"{result[key]:.1f}" for key in ("p50_ms", "p90_ms", "p99_ms")),
                f"{result['chunks_per_s']:.1f}",
                f"{result['batch']:.1f}",
            )
            for result in measured["results"]
        ],
    )


def _with_openpis_views(robot: Embodiment) -> Embodiment:
    views = [camera.model_copy(update={"width": VIEW, "height": VIEW}) for camera in robot.cameras]
    return robot.model_copy(update={"cameras": tuple(views)})


def _ask(way: str, url: str, robots: RobotProcesses, count: int, requests: int) -> dict:
    before = _passes(url)
    times = robots.ask(url, count, requests=requests)
    after = _passes(url)
    answers = count * (requests + WARM_UP)
    return _summary(way, times, answers / (after - before) if after > before else 1.0)


def _times(policy: Policy, robot: Embodiment, requests: int) -> np.ndarray:
    """Seconds of each call, after some that are not counted."""
    scene, spent_s = empty_scene(robot, VIEW, VIEW), []
    for _ in range(requests + WARM_UP):
        begin_s = time.perf_counter()
        policy.infer(scene)
        spent_s.append(time.perf_counter() - begin_s)
    return np.array(spent_s[WARM_UP:])


def _summary(way: str, times: Sequence[np.ndarray], batch: float) -> dict:
    all_ms = np.concatenate(times) * 1e3
    p50_ms, p90_ms, p99_ms = (float(q) for q in np.percentile(all_ms, (50, 90, 99)))
    return {
        "way": way,
        "robots": len(times),
        "p50_ms": p50_ms,
        "p90_ms": p90_ms,
        "p99_ms": p99_ms,
        "chunks_per_s": float(sum(len(of_one) / of_one.sum() for of_one in times)),
        "batch": batch,
    }


def _goals(results: Sequence[dict]) -> list[str]:
    """What was wanted, and what came of it; in words."""
    p50_ms = {(result["way"], result["robots"]): result["p50_ms"] for result in results}
    lines = []
    if (OURS, 1) in p50_ms:
        over_ms = p50_ms[OURS, 1] - p50_ms[IN_PROCESS, 1]
        lines.append(f"the wire costs {over_ms:.1f} ms (goal: at most {OVERHEAD_GOAL_MS:g} ms)")
    if (OURS, 1) in p50_ms and (OURS, 8) in p50_ms:
        many, stock = p50_ms[OURS, 8] / p50_ms[OURS, 1], p50_ms[OURS, 8] / p50_ms[STOCK, 8]
        lines.append(f"8 robots wait {many:.2f} times as long as one (goal: {MANY_GOAL:g})")
        lines.append(f"and {stock:.2f} times as long as with {STOCK} (goal: {STOCK_GOAL:g})")
    return lines


def _passes(url: str) -> int:
    """How many passes a server has made, as it says; 0 where it does not."""
    parts = urlsplit(url.replace("ws", "http", 1))
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    key = os.environ.get(API_KEY)
    connection = kind(parts.netloc, timeout=10)
    connection.request("GET", "/metrics", headers={"Authorization": f"Api-Key {key}"})
    found = re.search(
        r"^qwen_vla_batch_size_count (\d+)", connection.getresponse().read().decode(), re.M
    )
    return int(found[1]) if found else 0


def _resident_bytes(pid: int) -> int:
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def served(serve, robot: Embodiment, gpu_s: float):
    """A server in a process of its own: its address and its process."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=serve, args=(robot, gpu_s, theirs), daemon=True)
    process.start()
    theirs.close()  # or its end could not be seen
    try:
        yield f"ws://127.0.0.1:{ours.recv()}", process.pid
    finally:
        process.kill()
        process.join()


def _serve_ours(robot: Embodiment, gpu_s: float, pipe) -> None:
    prepare_process()
    policy = Served(policy=PretendedPolicy(robot, gpu_s), codec=EmbodimentCodec(robot))
    asyncio.run(PolicyServer("pretended", {robot.name: policy}, port=0).run(pipe.send))


def serve_with_ray(robot: Embodiment, gpu_s: float, pipe) -> None:
    """Have Ray serve a pretended policy, until this process is killed; say the port."""
    from ..fleet.plan import FleetFile
    from ..fleet.up import deploy, start_ray

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    start_ray()
    deploy(FleetFile(port=port), load=functools.partial(_load_for_ray, robot, gpu_s))
    pipe.send(port)
    threading.Event().wait()  # Ray's processes end with this one


def _load_for_ray(robot: Embodiment, gpu_s: float, fleet, **options: object) -> PolicyServer:
    policy = Served(policy=PretendedPolicy(robot, gpu_s), codec=EmbodimentCodec(robot))
    return PolicyServer("pretended", {robot.name: policy}, **options)


def _serve_stock(robot: Embodiment, gpu_s: float, pipe) -> None:
    asyncio.run(serve_stock(robot, PretendedPolicy(robot, gpu_s), pipe.send))
