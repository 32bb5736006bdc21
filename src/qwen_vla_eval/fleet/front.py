"""What robots connect to: one process on each computer that has a replica."""

import asyncio
import os
import secrets
import socket
import struct
import time

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from qwen_vla_core.errors import RemoteError
from qwen_vla_remote.handover import Taker, hand_over, share_out
from qwen_vla_remote.link import Link

from ..serving import allow_connections, listen
from .plan import FleetFile

NAMESPACE = "qwen-vla"
ALONE_S = 30.0
"""A front without replicas ends after that."""
LINK_S = 60.0
"""How long a replica tries to reach its computer's front. Starting one takes seconds."""


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


def link_to_front(fleet: FleetFile) -> Link:
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


def share_out_robots(fleet: FleetFile) -> None:
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
