"""Client processes in a benchmark's environment: jobs in, outcomes out, as lines of JSON."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from qwen_vla_core.child_process import die_with_parent
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.interrupts import interrupts_held_back
from qwen_vla_sim.gl import select_gl

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LP_NUM_THREADS"), "1")
"""Of rendering and matrices, a process: more would fight for the cores."""


class Client:
    """One process, whose module has the benchmark. Without ``url`` the expert acts."""

    def __init__(self, python: Path, module: str, url: str | None, log: Path) -> None:
        self._log = log
        environment = {**os.environ, **ONE_THREAD, "PYOPENGL_PLATFORM": select_gl()}
        folders = (str(Path(__file__).parent), os.environ.get("PYTHONPATH", ""))
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output, interrupts_held_back():
            self._process = subprocess.Popen(
                [str(python), "-m", "client", module, *([url] if url else [])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches us alone
                preexec_fn=die_with_parent,
            )

    def ask(self, job: dict[str, Any]) -> dict[str, Any]:
        """Carry one job out.

        Raises:
            QwenVlaError: it could not; the reason, or the end of what the process wrote.
        """
        try:
            self._process.stdin.write(f"{json.dumps(job)}\n".encode())
            self._process.stdin.flush()
        except OSError:
            pass  # it has ended; what it wrote last says why
        line = self._process.stdout.readline()
        result = json.loads(line) if line else {"error": "the benchmark's process ended"}
        if "error" in result:
            said = self._log.read_text(errors="replace").splitlines()[-8:]
            where = f"{job['task']}, initial state {job['state']}"
            raise QwenVlaError("\n  ".join([f"{where}: {result['error']}", *said]))
        return result

    def end(self) -> None:
        """Kill the process; it has nothing to lose."""
        self._process.kill()
        self._process.wait()


def carry_out(
    clients: Sequence[Client], jobs: Sequence[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """The outcomes of all jobs as they come; the clients have ended afterwards.

    Raises:
        QwenVlaError: a job could not be carried out.
    """
    idle: SimpleQueue[Client] = SimpleQueue()
    for client in clients:
        idle.put(client)

    def one(job: dict[str, Any]) -> dict[str, Any]:
        client = idle.get()
        try:
            return client.ask(job)
        finally:
            idle.put(client)

    with ThreadPoolExecutor(len(clients)) as pool:
        asked = [pool.submit(one, job) for job in jobs]
        try:
            for future in as_completed(asked):
                yield future.result()
        finally:
            for future in asked:
                future.cancel()
            for client in clients:
                client.end()
