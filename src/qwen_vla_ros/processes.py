"""Nodes as child processes that never outlive the command that started them."""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from qwen_vla_core.child_process import die_with_parent
from qwen_vla_core.interrupts import interrupts_held_back

from .bringup import NodeDescription

STOP_TIMEOUT_S = 5.0
"""How long a node may take to stop by itself before it is killed."""


class NodeProcesses:
    """The processes of one bring-up; a context manager that stops them all on the way out."""

    def __init__(
        self, nodes: Sequence[NodeDescription], environment: dict[str, str], log_directory: Path
    ) -> None:
        self._nodes, self._environment, self._logs = nodes, environment, log_directory
        self._processes: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> "NodeProcesses":
        self._logs.mkdir(parents=True, exist_ok=True)
        try:
            with interrupts_held_back():  # a child that was just forked would be forgotten
                for node in self._nodes:
                    self._start(node)
        except BaseException:  # __exit__ is not called when this fails
            self._stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def _start(self, node: NodeDescription) -> None:
        with self.log_path(node.name).open("wb") as log:
            self._processes[node.name] = subprocess.Popen(
                node.command(),
                env=os.environ | self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us alone; we stop them in order
                preexec_fn=die_with_parent,
            )

    def _stop(self) -> None:
        """Interrupt all of them, and kill those that do not end by themselves."""
        for process in self._processes.values():
            process.send_signal(signal.SIGINT)
        for process in self._processes.values():
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def log_path(self, name: str) -> Path:
        """Where the output of node ``name`` goes."""
        return self._logs / f"{name}.log"

    def stopped(self) -> str | None:
        """In words, a node that has ended although it should run, with the end of its log."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                tail = self.log_path(name).read_text(errors="replace").splitlines()[-15:]
                return f"{name} ended with status {process.returncode}:\n  " + "\n  ".join(tail)
        return None

    def pid(self, name: str) -> int:
        """Process id of node ``name``."""
        return self._processes[name].pid
