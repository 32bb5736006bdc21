"""Start a fleet, update it, end it."""

import itertools
import logging
import os
import secrets
import signal
import threading
from pathlib import Path

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.schema import LoggingConfig

from qwen_vla_core.errors import QwenVlaError, RemoteError

from ..serving import listen
from .front import NAMESPACE
from .plan import APP, FleetFile, deployment, load_fleet
from .replica import Load, Replica, load_server

OBJECTS_BYTES = 80 * 2**20
"""Ray's store of shared objects, which is not used here: the smallest that it takes is 75 MiB."""


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
