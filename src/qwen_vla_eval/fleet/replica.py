"""A process with a policy, as Ray's deployment; and how many of them there should be."""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from ray import serve
from ray.serve.config import AutoscalingContext

from qwen_vla_core.errors import QwenVlaError, RemoteError
from qwen_vla_remote.link import READY
from qwen_vla_remote.process import prepare_process
from qwen_vla_remote.server import DRAIN_S, HANGING_S, PolicyServer

from ..serving import allow_connections, listen
from .front import link_to_front, share_out_robots
from .plan import REPLICA, FleetFile, wanted_replicas

HEALTH_S = 2.0
"""How often Ray asks whether a replica is well. It is killed when it was not three times in a row,
or did not answer within ``HANGING_S`` that often."""
Load = Callable[..., PolicyServer]


def load_server(fleet: FleetFile, **options: object) -> PolicyServer:
    """What a replica serves.

    Raises:
        QwenVlaError: the checkpoint is not there, or does not fit a robot.
    """
    return fleet.serving().server(fleet.device, fleet.port, **options)


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
        link = await asyncio.to_thread(link_to_front, self._fleet)
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
            await asyncio.to_thread(share_out_robots, fleet)
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
