"""How late control_node is: its loop, an emergency stop, a hold, and a person who takes over.

The real nodes run as processes with the simulated robot and the policy. Each trial lays out a
scene, engages, waits until the robot moves, and acts; what counts is when the answer arrives on
control/command, which is published with the message to the hardware, in the same call.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from qwen_vla_core.embodiment import Embodiment, load_embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_ros.bringup import describe_bringup

from ..simulated_robot import SimulatedRobot, isolated_environment
from ..tables import Table

MOVING = 0.1
"""A robot moves when its fastest joint has this share of its speed limit."""

ANSWER_TIMEOUT_S = 2.0
MOVE_TIMEOUT_S = 20.0
RELEASES = 3
"""How often the button says that it is released, 0.1 s apart."""

BOUNDS_MS = {"estop topic": 50.0, "hold service": 50.0, "takeover": 50.0}
"""Largest 99th percentiles, faults.md B4 rows 27 and 31."""


def measure_control(
    path: Path, checkpoint: str, trials: int, on_trial: Callable[[int], None]
) -> dict:
    """All figures of one robot; all of it can be JSON.

    Args:
        path: its embodiment file; it must have a simulator.
        checkpoint: the policy that moves it.
        trials: how often each is tried.
        on_trial: called with the number of trials that are done.
    Raises:
        QwenVlaError: the nodes do not start, or the robot never moves.
    """
    os.environ.update(isolated_environment())
    robot = load_embodiment(path)
    nodes = describe_bringup(embodiment=str(path), checkpoint=checkpoint, use_sim=True)
    with TemporaryDirectory() as logs, SimulatedRobot(robot, nodes, Path(logs)) as simulated:
        operator = simulated.operator
        actions = {
            "estop topic": lambda: operator.press_estop(True),
            "hold service": lambda: operator.request("hold"),
            "takeover": lambda: operator.take_over(operator.commands[-1][1]),
        }
        return _measure(simulated, robot, actions, trials, on_trial)


def _measure(
    simulated: SimulatedRobot,
    robot: Embodiment,
    actions: dict[str, Callable[[], object]],
    trials: int,
    on_trial: Callable[[int], None],
) -> dict:
    operator = simulated.operator
    limits_D = np.array([joint.velocity for joint in robot.joints])
    answers_s: dict[str, list[float]] = {name: [] for name in actions}
    periods_s: list[float] = []

    def moves() -> bool:
        return bool(
            operator.velocities and (np.abs(operator.velocities[-1]) / limits_D).max() > MOVING
        )

    operator.press_estop(False)  # a release is believed once its publisher has been known for 1 s
    for trial in range(trials * len(actions)):
        name = list(actions)[trial % len(actions)]
        operator.instruct(simulated.place(trial))
        operator.insist("engage_policy", timeout_s=MOVE_TIMEOUT_S)
        operator.clear_commands()
        if not operator.wait(moves, MOVE_TIMEOUT_S):
            raise QwenVlaError(
                f"{robot.name} did not move within {MOVE_TIMEOUT_S:g} s; {operator.mode}"
            )
        periods_s += np.diff(operator.received_s).tolist()
        before_D, since_s = operator.velocities[-1], time.monotonic()
        actions[name]()
        answers_s[name].append(_wait_for(operator, since_s, _answered(name, before_D)))
        for _ in range(RELEASES):
            operator.press_estop(False)
            operator.wait(lambda: False, 0.1)
        on_trial(trial + 1)
    return {
        "embodiment": robot.name,
        "period_ms": 1e3 / robot.command_hz,
        "periods_ms": _percentiles(periods_s),
        "answers_ms": {name: _percentiles(values) for name, values in answers_s.items()},
    }


def _wait_for(operator, since_s: float, answered: Callable[[np.ndarray], bool]) -> float:
    """How long after ``since_s`` the first command came that is the answer, s; inf if none did."""

    def answer_s() -> float | None:
        commands = zip(operator.received_s, operator.velocities, strict=True)
        return next((t - since_s for t, v in commands if t > since_s and answered(v)), None)

    found = operator.wait(lambda: answer_s() is not None, ANSWER_TIMEOUT_S)
    return answer_s() if found else np.inf


def _answered(name: str, before_D: np.ndarray) -> Callable[[np.ndarray], bool]:
    """Whether a command is the answer: standing still; or, for a takeover, slower on its way."""
    if name == "takeover":
        fastest = int(np.argmax(np.abs(before_D)))
        return lambda velocity_D: abs(velocity_D[fastest]) < abs(before_D[fastest]) - 1e-6
    return lambda velocity_D: not velocity_D.any()


def _percentiles(values_s: list[float]) -> dict[str, float]:
    values_ms = np.array(values_s) * 1e3
    p50, p99 = np.percentile(values_ms, (50, 99))
    return {"n": len(values_ms), "p50": p50, "p99": p99, "max": float(values_ms.max())}


def tables(result: dict) -> tuple[Table]:
    """What a person reads."""
    rows = {f"command period, {result['period_ms']:g} ms wanted": result["periods_ms"]}
    rows |= result["answers_ms"]
    return (
        Table(
            title=f"{result['embodiment']}: control_node while the policy infers, ms",
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
        ),
    )
