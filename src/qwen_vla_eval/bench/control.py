"""How late control_node is: its loop, emergency stop, hold, takeover, recovery, and a chunk.

The real nodes run as processes with the simulated robot. Each trial lays out a scene, engages,
waits until the robot moves, and acts; what counts is the stamp of the answer on control/command,
which is made with the message to the hardware, in the same call. All of it three times:
beside nothing (the simulator's scripted expert moves the robot), beside images for which nobody
waits, and beside a policy that infers.
"""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_ros.bringup import NodeDescription, describe_bringup
from qwen_vla_ros.played_drivers import CAMERA_HZ, HEIGHT, WIDTH, image_load

from ..simulated_robot import SimulatedRobot, isolated_environment
from ..tables import Table

MOVING = 0.1
"""A robot moves when its fastest joint has this share of its speed limit."""

ANSWER_TIMEOUT_S = 2.0
MOVE_TIMEOUT_S = 20.0
STILL_TRIALS = 3
"""Trials in a row without a motion, after which it makes no sense to go on."""
RELEASES = 3
"""How often the button says that it is released, 0.1 s apart."""

ACTIONS = ("estop topic", "hold service", "takeover")
RECOVERY, CHUNK = "recovery", "chunk to command"
"""To the first command that moves, from the request to engage and from the first chunk then."""
BOUNDS_MS = dict.fromkeys(ACTIONS, 50.0)
"""Largest 99th percentiles, faults.md B4 rows 27 and 31."""

CAMERAS = 3
BESIDE = (
    "nothing",
    f"{CAMERAS} cameras of {WIDTH} x {HEIGHT} at {CAMERA_HZ:g} Hz",
    "a policy that infers",
)
"""What the trials run beside."""

SETTLED = 0.2
"""Share of a soak after which memory counts: what is loaded once is loaded then."""
MOST_GROWTH = 0.02


def measure_control(
    path: Path, checkpoint: str, trials: int, on_trial: Callable[[], None]
) -> list[dict]:
    """All figures of one robot, beside each load; all of it can be JSON.

    Args:
        path: its embodiment file; it must have a simulator.
        checkpoint: the policy that infers in the last of the three.
        trials: how often each action is tried.
        on_trial: called after each.
    Raises:
        QwenVlaError: the nodes do not start, or the robot never moves.
    """
    os.environ.update(isolated_environment(load_embodiment(path)))
    results, images = [], image_load(CAMERAS, int(os.environ["ROS_DOMAIN_ID"]))
    policies, loads = (None, None, checkpoint), (nullcontext(), images, nullcontext())
    for beside, policy, load in zip(BESIDE, policies, loads, strict=True):
        nodes = describe_bringup(embodiment=str(path), checkpoint=policy, use_sim=True)
        with load, _Bench(path, nodes) as bench:
            for trial in range(trials * len(ACTIONS)):
                bench.run(trial)
                on_trial()
            results.append({"beside": beside, **bench.result()})
    return results


def soak(path: Path, checkpoint: str, seconds: float, on_trial: Callable[[], None]) -> dict:
    """The same trials with all that a robot runs with, for so long: how memory grows.

    Raises:
        QwenVlaError: as ``measure_control``.
    """
    os.environ.update(isolated_environment(load_embodiment(path)))
    teleop = load_embodiment(path).teleop
    nodes = describe_bringup(
        embodiment=str(path),
        checkpoint=checkpoint,
        use_sim=True,
        teleop=teleop.types[0] if teleop else "",
        view=True,
        rviz=True,
        record=True,
    )
    with TemporaryDirectory() as folder, _Bench(path, _recording_into(folder, nodes)) as bench:
        began_s, settled_mib, trial = time.monotonic(), {}, 0
        while (elapsed_s := time.monotonic() - began_s) < seconds:
            if not settled_mib and elapsed_s > SETTLED * seconds:
                settled_mib = bench.memory_mib()
            bench.run(trial)
            trial += 1
            on_trial()
        memory_mib = bench.memory_mib()
        growth = {name: mib / settled_mib[name] - 1.0 for name, mib in memory_mib.items()}
        return {
            "minutes": seconds / 60.0,
            "trials": trial,
            **bench.result(),
            "memory_mib": memory_mib,
            "memory_growth": growth,
        }


def _recording_into(folder: str, nodes: Sequence[NodeDescription]) -> list[NodeDescription]:
    """The nodes; the recorder makes an episode there each time that the robot is moved."""
    recording = {"folder": folder, "follow_mode": True}
    return [
        replace(node, parameters={**node.parameters, **recording})
        if node.name == "recorder_node"
        else node
        for node in nodes
    ]


class _Bench:
    """One robot with its nodes, and what was measured with it; a context manager."""

    def __init__(self, path: Path, nodes: Sequence[NodeDescription]) -> None:
        self._path, self._nodes = path, nodes
        self._forget()

    def __enter__(self) -> "_Bench":
        with ExitStack() as stack:
            robot = load_embodiment(self._path)
            logs = Path(stack.enter_context(TemporaryDirectory()))
            self._simulated = stack.enter_context(SimulatedRobot(robot, self._nodes, logs))
            self._stack = stack.pop_all()
        self._robot, self._operator = robot, self._simulated.operator
        self._limits_D = np.array([joint.velocity for joint in robot.joints])
        self._operator.press_estop(False)  # accepted once its publisher has been known for 1 s
        for trial in range(len(ACTIONS)):  # until all publishers are discovered
            self.run(trial)
        self._forget()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _forget(self) -> None:
        self._still = 0
        self._periods_s: list[float] = []
        self._answers_s: dict[str, list[float]] = {
            name: [] for name in (*ACTIONS, RECOVERY, CHUNK)
        }

    def run(self, trial: int) -> None:
        """Lay out a scene, engage, wait until it moves, act, and wait for the answer."""
        operator, name = self._operator, ACTIONS[trial % len(ACTIONS)]
        operator.instruct(self._simulated.place(trial))
        granted, engaged_s, refused_s = False, 0.0, time.time()
        while not granted:
            engaged_s = time.time()
            granted, reason = operator.request("engage_policy")
            if engaged_s - refused_s > MOVE_TIMEOUT_S:
                raise QwenVlaError(f"{self._robot.name} cannot be engaged: {reason}")
        operator.clear_commands()
        begun_s = _wait_for(operator, engaged_s, np.any, MOVE_TIMEOUT_S)
        if not operator.wait(self._moves, MOVE_TIMEOUT_S):
            self._did_not_move()
            return
        self._still = 0
        self._answers_s[RECOVERY].append(begun_s)
        if since_chunk := [engaged_s + begun_s - chunk_s for chunk_s in operator.chunks_s[:1]]:
            self._answers_s[CHUNK] += [s for s in since_chunk if s > 0.0]
        self._periods_s += np.diff([stamp_s for stamp_s, _ in operator.commands]).tolist()
        before_D, since_s = operator.velocities[-1], time.time()
        self._act(name)
        answered = _answered(name, before_D)
        self._answers_s[name].append(_wait_for(operator, since_s, answered, ANSWER_TIMEOUT_S))
        for _ in range(RELEASES):
            operator.press_estop(False)
            operator.wait(lambda: False, 0.1)

    def _did_not_move(self) -> None:
        """As a robot whose stream was lost on a busy computer, and holds; that is not measured."""
        self._still += 1
        if self._still == STILL_TRIALS:
            raise QwenVlaError(
                f"{self._robot.name} did not move within {MOVE_TIMEOUT_S:g} s, {STILL_TRIALS} "
                f"times in a row; {self._operator.mode}"
            )

    def _moves(self) -> bool:
        velocities = self._operator.velocities
        return bool(velocities and (np.abs(velocities[-1]) / self._limits_D).max() > MOVING)

    def _act(self, name: str) -> None:
        if name == "estop topic":
            self._operator.press_estop(True)
        elif name == "hold service":
            self._operator.request("hold")
        else:
            self._operator.take_over(self._operator.commands[-1][1])

    def memory_mib(self) -> dict[str, float]:
        """What each node says it has."""
        diagnostics = self._operator.diagnostics
        return {
            name: float(values["memory_mib"])
            for name, (_, values) in diagnostics.items()
            if "memory_mib" in values
        }

    def result(self) -> dict:
        """All of it can be JSON."""
        answers = {name: _percentiles(values) for name, values in self._answers_s.items()}
        return {
            "embodiment": self._robot.name,
            "period_ms": 1e3 / self._robot.command_hz,
            "periods_ms": _percentiles(self._periods_s),
            "answers_ms": answers,
        }


def _wait_for(
    operator, since_s: float, answered: Callable[[np.ndarray], bool], timeout_s: float
) -> float:
    """How long after ``since_s``, system time, the answer was sent, s; inf if none was."""

    def answer_s() -> float | None:
        commands = zip(operator.commands, operator.velocities, strict=True)
        return next((t - since_s for (t, _), v in commands if t > since_s and answered(v)), None)

    found = operator.wait(lambda: answer_s() is not None, timeout_s)
    return answer_s() if found else np.inf


def _answered(name: str, before_D: np.ndarray) -> Callable[[np.ndarray], bool]:
    """Whether a command is the answer: standing still; or, for a takeover, slower on its way."""
    if name == "takeover":
        fastest = int(np.argmax(np.abs(before_D)))
        return lambda velocity_D: abs(velocity_D[fastest]) < abs(before_D[fastest]) - 1e-6
    return lambda velocity_D: not velocity_D.any()


def _percentiles(values_s: list[float]) -> dict[str, float]:
    values_ms = np.array(values_s or [np.nan]) * 1e3
    p50, p99 = np.percentile(values_ms, (50, 99))
    return {"n": len(values_s), "p50": p50, "p99": p99, "max": float(values_ms.max())}


def table(result: dict, beside: str) -> Table:
    """What a person reads."""
    rows = {f"command period, {result['period_ms']:g} wanted": result["periods_ms"]}
    rows |= result["answers_ms"]
    return Table(
        title=f"{result['embodiment']}: control_node beside {beside}, ms",
        columns=("", "n", "median", "p99", "max", "bound of p99"),
        rows=[
            (
                name,
                str(row["n"]),
                *(f"{row[key]:.1f}" for key in ("p50", "p99", "max")),
                f"{BOUNDS_MS[name]:g}" if name in BOUNDS_MS else "",
            )
            for name, row in rows.items()
        ],
    )
