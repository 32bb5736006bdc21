"""`qwen-vla fleet up`: policy servers as replicas of a Ray Serve deployment, one a GPU.

Ray places, counts, restarts and replaces them. What robots send never goes through Ray: each
computer with a replica has one process at the fleet's port (``Front``), which hands connections to
the replicas of that computer, as `qwen-vla serve` with several devices does. Ray Serve's own
proxies are off.
"""

import asyncio
import itertools
import logging
import os
import secrets
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.config import AutoscalingContext
from ray.serve.exceptions import RayServeException
from ray.serve.schema import LoggingConfig
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from qwen_vla_core.errors import QwenVlaError, RemoteError
from qwen_vla_remote.handover import Taker, hand_over, share_out
from qwen_vla_remote.link import READY, Link
from qwen_vla_remote.process import prepare_process
from qwen_vla_remote.server import DRAIN_S, HANGING_S, PolicyServer

from ..serving import allow_connections, listen
from .plan import APP, REPLICA, FleetFile, deployment, load_fleet, wanted_replicas

NAMESPACE = "qwen-vla"
ALONE_S = 30.0
"""A front without replicas ends after that."""
LINK_S = 60.0
"""How long a replica tries to reach its computer's front. Starting one takes seconds."""
HEALTH_S = 2.0
"""How often Ray asks whether a replica is well. It is killed when it was not three times in a row,
or did not answer within ``HANGING_S`` that often."""
OBJECTS_BYTES = 80 * 2**20
"""Ray's store of shared objects, which is not used here: the smallest that it takes is 75 MiB."""
Load = Callable[..., PolicyServer]


def load_server(fleet: FleetFile, **options: object) -> PolicyServer:
    """What a replica serves.

    Raises:
        QwenVlaError: the checkpoint is not there, or does not fit a robot.
    """
    return fleet.serving().server(fleet.device, fleet.port, **options)


@ray.remote(num_cpus=0)
class Front:
    """One computer's port: hands connections to the replicas that are linked to it."""

    def __init__(self) -> None:
        self._takers: set[Taker] = set()
        self._name = ""
        self._work: list[asyncio.Future] = []

    async def open(self, host: str, port: int) -> str:
        """The name of the socket to which replicas link; Linux keeps it, and no file is left.

        Raises:
            RemoteError: the port cannot be served.
        """
        if not self._work:
            self._work.append(asyncio.ensure_future(self._end_when_alone()))
        if not self._name:
            allow_connections()
            robots, replicas = listen(host, port), socket.socket(socket.AF_UNIX)
            self._name = f"\0qwen-vla-{secrets.token_hex(8)}"
            replicas.bind(self._name)
            replicas.listen()
            for listener in (robots, replicas):
                listener.setblocking(False)
            asyncio.get_running_loop().add_reader(replicas, self._on_link, replicas)
            self._work.append(asyncio.ensure_future(hand_over(robots, self._takers)))
        return self._name

    async def connections(self) -> list[int]:
        """How many each replica has."""
        return [taker.connections for taker in self._takers]

    async def share_out(self, most: int) -> None:
        """As ``handover.share_out``."""
        share_out(self._takers, most)

    def _on_link(self, listener: socket.socket) -> None:
        link, _ = listener.accept()
        peer = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, user, _ = struct.unpack("3i", peer)
        if user != os.getuid():  # robots show their keys to who gets their connections
            link.close()
            return
        link.setblocking(False)
        asyncio.get_running_loop().add_reader(link, self._on_word, Taker(link))

    def _on_word(self, taker: Taker) -> None:
        if taker.read():
            if taker.ready.done():
                self._takers.add(taker)
        else:  # it is dead, or about to end: it gets no more connections
            asyncio.get_running_loop().remove_reader(taker.link)
            self._takers.discard(taker)
            taker.link.close()

    async def _end_when_alone(self) -> None:
        alone_s = 0
        while alone_s < ALONE_S:
            await asyncio.sleep(1)
            alone_s = 0 if self._takers else alone_s + 1
        os._exit(0)


class _Linked:
    """A policy server that runs, linked to its computer's front."""

    def __init__(self, server: PolicyServer, fleet: FleetFile) -> None:
        self.server, self._fleet = server, fleet
        self._run = asyncio.ensure_future(server.run(self._on_port))
        self._keep: asyncio.Future | None = None

    def _on_port(self, port: int) -> None:
        print(f"replica on {self._fleet.device}: /metrics on port {port}", flush=True)

    async def link(self) -> None:
        """Be given connections, also by the next front if this one is killed.

        Raises:
            RemoteError: no front can be started.
        """
        link = await asyncio.to_thread(_link, self._fleet)
        ended = asyncio.get_running_loop().create_future()
        taking = await self.server.take_from(link, lambda: ended.done() or ended.set_result(None))
        link.say(READY)
        self._keep = asyncio.ensure_future(self._link_again(taking, ended))
        self._link, self._ended = link, ended

    async def _link_again(self, taking, ended: asyncio.Future) -> None:
        await asyncio.wait({ended})
        taking.close(close_connections=False)
        await self.link()

    @property
    def lost(self) -> bool:
        """Whether it can be given no more connections."""
        return self._keep is not None and self._keep.done()

    async def end(self) -> None:
        """Answer what was asked, and let everybody go."""
        if self._keep is not None:
            self._keep.cancel()
            with suppress(OSError):  # the front is dead
                self._link.shutdown(socket.SHUT_WR)  # it answers by closing its side
            await asyncio.wait({self._ended}, timeout=1.0)
        self._run.cancel()
        await asyncio.wait({self._run})


@serve.deployment(
    name=REPLICA,
    logging_config={"log_level": "WARNING", "enable_access_log": False},
    graceful_shutdown_timeout_s=DRAIN_S + 5.0,
    graceful_shutdown_wait_loop_s=0.1,
    health_check_period_s=HEALTH_S,
    health_check_timeout_s=HANGING_S,
)
class Replica:
    """A process with a policy; Ray calls it by the names that it knows."""

    def __init__(self, load: Load) -> None:
        prepare_process()
        allow_connections()
        self._load, self._config, self._refused = load, None, ""
        self._linked: _Linked | None = None
        self._before = (0.0, 0, 0)
        # Robots do not wait for what Ray does in its own, which is uvloop: that knows no Link.
        self._loop = asyncio.SelectorEventLoop()
        threading.Thread(target=self._loop.run_forever, name="server", daemon=True).start()

    async def reconfigure(self, config: dict) -> None:
        """Serve what a file says, in the place of what was served, which goes on if that fails.

        Ray does this with one replica after the other, at first and when the file has changed.

        Raises:
            QwenVlaError: at first, with the reason.
        """
        if config != self._config:
            try:
                await self._in_loop(self._replace(FleetFile.model_validate(config["fleet"])))
            except QwenVlaError as error:
                if self._config is None:
                    raise
                print(f"not updated: {error}", flush=True)
                self._refused = str(error)
                return
            self._config = config
        self._refused = ""

    def why_not_updated(self) -> str:
        """Why it serves what it served before; "" where it does not."""
        return self._refused

    async def check_health(self) -> None:
        """Have Ray kill it, and start another.

        Raises:
            RemoteError: its policy hangs, or no robot can reach it.
        """
        await self._in_loop(asyncio.sleep(0))  # no answer while what serves robots hangs
        if self._linked is not None and self._linked.server.hangs_s > HANGING_S:
            raise RemoteError(f"inference hangs for {self._linked.server.hangs_s:.0f} s")
        if self._linked is not None and self._linked.lost:
            raise RemoteError("no robot can reach this replica: it has no front")

    def record_autoscaling_stats(self) -> dict[str, float]:
        """How long requests waited since the last time, and how many were refused for it."""
        if self._linked is None:
            return {"queue_age_s": 0.0, "refused": 0.0}
        counted = self._linked.server.metrics
        ages, before = counted.queue_age_s, self._before
        self._before = ages.sum, ages.count, counted.busy_refusals
        mean_s = max(0.0, ages.sum - before[0]) / max(1, ages.count - before[1])
        return {
            "queue_age_s": max(mean_s, self._linked.server.oldest_s),
            "refused": float(max(0, counted.busy_refusals - before[2])),
        }

    def __del__(self) -> None:
        """Ray calls it before it ends the process."""
        if self._linked is not None:
            linked, self._linked = self._linked, None
            asyncio.run_coroutine_threadsafe(linked.end(), self._loop).result()

    async def _in_loop(self, work) -> None:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def _replace(self, fleet: FleetFile) -> None:
        listener = await asyncio.to_thread(_own_port, fleet)
        server = await asyncio.to_thread(self._load, fleet, listener=listener)
        linked = _Linked(server, fleet)
        try:
            await linked.link()
        except RemoteError:
            await linked.end()
            raise
        before, self._linked = self._linked, linked
        self._before = (0.0, 0, 0)
        if before is None:
            await asyncio.to_thread(_share_out, fleet)
        else:
            await before.end()


def _own_port(fleet: FleetFile) -> socket.socket:
    """For /metrics: the first above the fleet's that is free."""
    for port in range(fleet.port + 1, fleet.port + 1000):
        try:
            return listen(fleet.host, port)
        except RemoteError:
            continue
    raise RemoteError(f"no port above {fleet.port} is free for /metrics")


def _link(fleet: FleetFile) -> Link:
    """Have this computer's front give connections to this process."""
    here = ray.get_runtime_context().get_node_id()
    options = {
        "name": f"front {fleet.port} {here}",
        "namespace": NAMESPACE,
        "get_if_exists": True,
        "lifetime": "detached",  # the replica that came first may be the first to end
        "scheduling_strategy": NodeAffinitySchedulingStrategy(node_id=here, soft=False),
    }
    end_s = time.monotonic() + LINK_S
    while True:
        try:
            opened = Front.options(**options).remote().open.remote(fleet.host, fleet.port)
            link = Link(socket.AF_UNIX)
            link.connect(ray.get(opened, timeout=LINK_S))
            return link
        except RemoteError as error:
            raise RemoteError(str(getattr(error, "cause", error))) from error
        except (RayError, OSError) as error:  # it has just ended
            if time.monotonic() > end_s:
                raise RemoteError(f"no front at port {fleet.port}: {error}") from error
            time.sleep(0.2)


def _share_out(fleet: FleetFile) -> None:
    """Have robots of all computers come to a new replica."""
    actors = ray.util.list_named_actors(all_namespaces=True)
    names = [actor["name"] for actor in actors if actor["namespace"] == NAMESPACE]
    try:
        fronts = [
            ray.get_actor(name, NAMESPACE)
            for name in names
            if name.startswith(f"front {fleet.port} ")
        ]
        connections = sum(
            ray.get([front.connections.remote() for front in fronts], timeout=10), []
        )
        most = -(-sum(connections) // max(1, len(connections)))
        ray.get([front.share_out.remote(most) for front in fronts], timeout=10)
    except (RayError, ValueError) as error:  # one has just ended; who connects anew is shared out
        print(f"robots stay with their replicas: {error}", flush=True)


class Scale:
    """Ray's question how many replicas there should be."""

    def __init__(self, queue_age_s: float) -> None:
        self._wanted_s = queue_age_s

    def __call__(self, context: AutoscalingContext) -> tuple[int, dict]:
        seen = context.aggregated_metrics or {}
        count = wanted_replicas(
            context.target_num_replicas,
            context.current_num_replicas,
            seen.get("queue_age_s", {}),
            seen.get("refused", {}),
            self._wanted_s,
        )
        return count, {}


app = Replica.bind(load_server)
"""For a file of `serve deploy`."""


def start_ray() -> None:
    """Ray on this computer, for as long as this process runs, or the cluster of RAY_ADDRESS."""
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    options = {"namespace": NAMESPACE, "logging_level": logging.ERROR}
    if (address := os.environ.get("RAY_ADDRESS", "local")) == "local":
        if not any(name.startswith("RAY_AUTH_") for name in os.environ):
            os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)  # of this run alone
        options |= {"include_dashboard": False, "object_store_memory": OBJECTS_BYTES}
    ray.init(address, **options)
    serve.start(proxy_location="Disabled", logging_config=LoggingConfig(log_level="WARNING"))


def deploy(fleet: FleetFile, revision: int = 0, load: Load = load_server) -> str:
    """Serve a file, or an update of it; returns when that is done.

    Returns:
        why a replica goes on with what it served before; "" where none does.
    Raises:
        RemoteError: nothing can be served.
    """
    options = deployment(fleet, revision)
    try:
        # With a version of its own Ray would replace the process of each replica.
        replicas = Replica.options(**options, version="1", _internal=True).bind(load)
        handle = serve.run(replicas, name=APP, route_prefix=None)
        asked = handle.broadcast("why_not_updated")
        reasons = asked.results(timeout_s=60.0, return_exceptions=True)
        # The next of one that has just died loads what is new, or is never there.
        return next((reason for reason in reasons if isinstance(reason, str) and reason), "")
    except (RuntimeError, RayServeException) as error:
        raise RemoteError(_reason(error)) from error


def _reason(error: Exception) -> str:
    """The last line that says something, of all that Ray tells about a failure."""
    status = serve.status().applications.get(APP)
    told = [one.message for one in status.deployments.values()] if status else []
    lines = [line.strip() for text in (*told, str(error)) for line in text.splitlines()]
    ours = [line for line in lines if "Error: " in line]
    return (ours or lines)[-1].rpartition("Error: ")[2]


def fleet_up(path: Path) -> None:
    """Serve a file until interrupted; SIGUSR1 reads it and its checkpoint again.

    Raises:
        QwenVlaError: the file is wrong, or cannot be served.
    """
    fleet = _read(path)
    if "RAY_ADDRESS" not in os.environ:
        listen(fleet.host, fleet.port).close()
    update, address = threading.Event(), fleet.serving().address
    print("starting Ray", flush=True)
    start_ray()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)  # Ray has taken SIGTERM
    signal.signal(signal.SIGUSR1, lambda number, frame: update.set())
    try:
        _check_room(fleet)
        deploy(fleet)
        print(f"serving {address}:{fleet.port}", flush=True)
        served, said = (fleet, 0), ""
        for revision in itertools.count(1):
            while not update.wait(1.0):
                said = _say_replicas(said)
            update.clear()
            served = _update(path, revision, served)
    except KeyboardInterrupt:
        print("ended on request (Ctrl-C or SIGTERM)", flush=True)
    finally:
        serve.delete(APP)
        ray.shutdown()


def _check_room(fleet: FleetFile) -> None:
    """Refuse what Ray would wait for; a cluster may get more computers."""
    if "RAY_ADDRESS" in os.environ:
        return
    has, count = ray.cluster_resources(), fleet.replicas.least
    for what, each in (("GPU", int(fleet.device == "cuda")), ("CPU", fleet.threads)):
        if each * count > has.get(what, 0):
            raise RemoteError(
                f"{count} replicas want {each * count} {what}s, and this computer has "
                f"{has.get(what, 0):g}: lower replicas.least, or name a cluster in RAY_ADDRESS"
            )


def _interrupt(number: int, frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _read(path: Path) -> FleetFile:
    fleet = load_fleet(path).resolved()
    fleet.serving().check()
    return fleet


def _update(path: Path, revision: int, served: tuple[FleetFile, int]) -> tuple[FleetFile, int]:
    """What is served afterwards, and its revision."""
    try:
        fleet = _read(path)
        _check_room(fleet)
        if reason := deploy(fleet, revision):
            deploy(*served)  # nor does Ray start a replica with what does not load
            raise RemoteError(reason)
    except QwenVlaError as error:
        print(f"not updated: {error}", flush=True)
        return served
    print("updated: every replica serves the file as it is now", flush=True)
    return fleet, revision


def _say_replicas(said: str) -> str:
    """Print how many replicas there are when that has changed."""
    try:
        status = serve.status().applications[APP].deployments.values()
    except (RayError, RayServeException, KeyError):  # Ray's controller is started again
        return said
    counts = [f"{n} {state.lower()}" for one in status for state, n in one.replica_states.items()]
    if (text := ", ".join(sorted(counts))) != said:
        print(f"replicas: {text}", flush=True)
    return text
