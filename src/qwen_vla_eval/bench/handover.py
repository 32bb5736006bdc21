"""Hand-overs between policy and person: how late, and how large a step, beside a naive switch.

The real nodes run as processes with the simulated robot, the policy and teleop_node with one
device. The policy moves the robot, a person takes it over, moves it, and hands it back while it
moves, again and again. A naive switch is what would have been sent at the same moments without a
hand-over: on takeover the target where the person left it the last time (or, of a base, its
velocity at rest), on handing back the policy's plan.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from qwen_vla_core.embodiment import Embodiment, load_embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_ros.bringup import describe_bringup
from qwen_vla_ros.handover_watch import HandoverWatch
from qwen_vla_ros.teleop.hands import HANDS, PERIOD_S, Hand

from ..simulated_robot import SimulatedRobot, isolated_environment
from ..tables import Table
from .control import MOVE_TIMEOUT_S, MOVING

GOALS_MS = {"takeover": 50.0, "hand-back": 300.0}
"""Largest 99th percentiles: press to the first command for the person, and request to the first
command of a plan."""

LATER_S = 0.3
"""Steps are looked at for this long after a hand-over, s: braking from 1.57 rad/s takes that."""

MOVE_S = 0.5
"""How long the person moves the robot, s."""

IDLE_S = 4.0
"""A policy that does not move for this long has done its task: it gets another scene."""

SCENES = 3
"""A policy that moves in none of this many scenes does not move at all."""

ANSWER_TIMEOUT_S = 3.0


def measure_handover(
    path: Path,
    checkpoint: str | None,
    devices: Sequence[str],
    takeovers: int,
    on_handover: Callable[[], None],
) -> dict:
    """All figures of one robot; all of it can be JSON.

    Args:
        path: its embodiment file; it must have a simulator.
        checkpoint: the policy that moves it; None for the scripted expert.
        devices: types of its teleop section.
        takeovers: how often each device takes over and hands back.
        on_handover: called after each takeover with its hand-back.
    Raises:
        QwenVlaError: the nodes do not start, the robot never moves, or nobody hands over.
    """
    robot = load_embodiment(path)
    os.environ.update(isolated_environment(robot))
    results = {}
    for device in devices:
        nodes = describe_bringup(
            embodiment=str(path), checkpoint=checkpoint, use_sim=True, teleop=device
        )
        with TemporaryDirectory() as logs, SimulatedRobot(robot, nodes, Path(logs)) as simulated:
            trials = _Trials(simulated, robot, device)
            for _ in range(takeovers):
                trials.run()
                on_handover()
            results[device] = trials.result()
    return {"embodiment": robot.name, "takeovers": takeovers, "devices": results}


class _Trials:
    """The hand-overs of one device."""

    def __init__(self, simulated: SimulatedRobot, robot: Embodiment, device: str) -> None:
        self._simulated, self._operator, self._robot = simulated, simulated.operator, robot
        (section,) = [one for one in robot.teleop.devices if one.type == device]
        self._hand: Hand = HANDS[device](self._operator, robot, section)
        self._seen = HandoverWatch(self._operator, robot)
        period_s = 1.0 / robot.command_hz
        self._speed_D = np.array([joint.velocity for joint in robot.joints])
        self._farthest_D = self._speed_D * period_s
        self._gain_D = np.array([joint.acceleration for joint in robot.joints]) * period_s
        self._base_D, self._period_s = np.array(robot.base_D), period_s
        self._random = np.random.default_rng(0)
        self._scene, self._left_D, self._side = 0, None, 1.0
        self._stopped: Counter[str] = Counter()
        self._values: dict[str, dict[str, list[float]]] = {
            way: {"late_ms": [], "step": [], "gain": [], "naive_step": [], "naive_gain": []}
            for way in GOALS_MS
        }

    def run(self) -> None:
        """One takeover, and the hand-back after it."""
        self._wait_until_the_policy_moves()
        self._operator.wait(lambda: False, self._random.uniform(0.0, 0.4))
        self._operator.clear_commands()
        self._operator.wait(lambda: len(self._operator.commands) > 3, ANSWER_TIMEOUT_S)
        taken = self._take_over()
        if taken and self._seen.left_s("TELEOP") == np.inf:
            self._move()
            self._hand_back()
        self._hand.pressed, self._hand.along = False, 0.0
        # What publishes only while it is pressed is let go when it was silent for that long.
        self._operator.wait(lambda: False, self._robot.watchdogs.teleop_s + PERIOD_S)

    def result(self) -> dict:
        """Percentiles of everything."""
        counts = self._operator.diagnostics.get("/control_node", ("", {}))[1]
        refused = {key: int(value) for key, value in counts.items() if key.startswith("chunks_")}
        return {
            "refused": refused,
            "stopped": dict(self._stopped),
            **{
                way: {key: _percentiles(values) for key, values in of_way.items()}
                for way, of_way in self._values.items()
            },
        }

    def _autonomous(self) -> bool:
        return self._operator.mode.startswith("AUTONOMY")

    def _moves(self) -> bool:
        velocities = self._operator.velocities
        return bool(
            self._autonomous()
            and velocities
            and (abs(velocities[-1]) / self._speed_D).max() > MOVING
        )

    def _wait_until_the_policy_moves(self) -> None:
        operator = self._operator
        operator.clear_commands()
        operator.wait(lambda: self._moves() or not self._autonomous(), IDLE_S)
        if self._moves():
            return
        for _ in range(SCENES):
            operator.instruct(self._simulated.place(self._scene))
            self._scene, self._left_D = self._scene + 1, None
            operator.insist("engage_policy", timeout_s=MOVE_TIMEOUT_S)
            operator.wait(lambda: self._moves() or not self._autonomous(), MOVE_TIMEOUT_S)
            if self._moves():
                return
        raise QwenVlaError(f"{self._robot.name} moved in none of {SCENES} scenes; {operator.mode}")

    def _take_over(self) -> bool:
        """Whether the person has it: something may have stopped the robot just before."""
        self._seen.clear()
        began_s = time.monotonic()
        self._hand.pressed = True
        if self._hand.by_service:
            self._operator.trigger("teleop/engage")
        else:
            self._hand.say()
        taken = self._operator.wait(
            lambda: self._seen.entered_s("TELEOP") is not None, ANSWER_TIMEOUT_S
        )
        if not taken and not self._autonomous():
            self._stopped[self._operator.mode] += 1
            return False
        taken_s = self._expect(lambda: self._seen.entered_s("TELEOP"), "nobody took over")
        before_D, velocity_D = self._last_before(taken_s)
        self._operator.wait(lambda: False, LATER_S)
        values = self._steps("takeover", "TELEOP")
        values["late_ms"].append(1e3 * (taken_s - began_s))
        if self._left_D is not None:
            self._naive(values, self._left_D, np.zeros_like(velocity_D), before_D, velocity_D)
        return True

    def _move(self) -> None:
        self._hand.along = self._side = -self._side  # to and fro, so that it stays at its task
        self._operator.wait(lambda: False, MOVE_S)

    def _hand_back(self) -> None:
        self._seen.clear()
        self._operator.clear_commands()
        self._operator.wait(lambda: len(self._operator.commands) > 3, ANSWER_TIMEOUT_S)
        began_s = time.monotonic()
        granted, _ = self._operator.trigger("teleop/hand_back")
        self._left_D = self._seen.target_D
        if not granted:  # something stopped the robot in the person's hands
            self._stopped[self._operator.mode] += 1
            return
        self._expect(lambda: self._seen.entered_s("AUTONOMY"), "the policy has it not")
        plan_s, plan = self._expect(self._seen.plan, "no plan came")
        follows_s = self._expect(lambda: self._after(plan_s), "no command came")
        before_D, velocity_D = self._last_before(plan_s)
        self._operator.wait(lambda: False, LATER_S)
        values = self._steps("hand-back", "AUTONOMY")
        values["late_ms"].append(1e3 * (follows_s - began_s))
        now_s = self._operator.get_clock().now().nanoseconds * 1e-9
        place = (now_s - (time.monotonic() - follows_s) - plan.stamp_s) / plan.step_s
        row = int(np.clip(round(place), 0, len(plan.positions_TD) - 1))
        planned_D, planned_speed_D = plan.positions_TD[row], plan.velocities_TD[row]
        self._naive(values, planned_D, planned_speed_D, before_D, velocity_D)

    def _after(self, at_s: float) -> float | None:
        """When the second command after ``at_s`` came: the first may have been on its way."""
        later = [received_s for received_s in self._operator.received_s if received_s > at_s]
        return later[1] if len(later) > 1 else None

    def _last_before(self, at_s: float) -> tuple[np.ndarray, np.ndarray]:
        """The command and its velocities that were sent before ``at_s``."""
        operator = self._operator
        row = max(int(np.searchsorted(operator.received_s, at_s)) - 2, 0)
        return operator.commands[row][1], operator.velocities[row]

    def _steps(self, way: str, mode: str) -> dict[str, list[float]]:
        """Note the largest steps of command and velocity since shortly before a mode began.

        What comes after the mode was left is no hand-over: a stop, or nothing that is sent.
        """
        operator, left_s = self._operator, self._seen.left_s(mode)
        if left_s < np.inf:
            self._stopped[operator.mode] += 1
        first, last = np.searchsorted(operator.received_s, [self._seen.entered_s(mode), left_s])
        rows = slice(max(int(first) - 3, 0), max(int(last) - 1, 0))
        stamps_T, commands_TD = zip(*operator.commands[rows], strict=True)
        # A command that was lost on its way to us is no step: two periods may have passed.
        periods_T1 = np.maximum(np.diff(stamps_T) / self._period_s, 1.0)[:, None]
        values = self._values[way]
        for key, series_TD, largest_D in (
            ("step", np.array(commands_TD), self._farthest_D),
            ("gain", np.array(operator.velocities[rows]), self._gain_D),
        ):
            steps_TD = np.abs(np.diff(series_TD, axis=0)) / (largest_D * periods_T1)
            values[key].append(float(steps_TD.max()))
        return values

    def _naive(self, values, target_D, speed_D, before_D, velocity_D) -> None:
        """Note the steps if the target had been sent as it was."""
        step_D = np.where(self._base_D, 0.0, target_D - before_D)
        speed_D = np.where(self._base_D, speed_D, step_D / self._period_s)
        values["naive_step"].append(float((np.abs(step_D) / self._farthest_D).max()))
        values["naive_gain"].append(float((np.abs(speed_D - velocity_D) / self._gain_D).max()))

    def _expect(self, found: Callable, what: str):
        if not self._operator.wait(lambda: found() is not None, ANSWER_TIMEOUT_S):
            raise QwenVlaError(f"{what} within {ANSWER_TIMEOUT_S:g} s; {self._operator.mode}")
        return found()


def _percentiles(values: list[float]) -> dict[str, float]:
    if not values:
        return {"n": 0, "p50": np.nan, "p99": np.nan, "max": np.nan}
    p50, p99 = np.percentile(values, (50, 99))
    return {"n": len(values), "p50": float(p50), "p99": float(p99), "max": max(values)}


def _stops(result: dict) -> str:
    """What else stopped the robot meanwhile, in words; "" for nothing."""
    stops = Counter()
    for of_device in result["devices"].values():
        stops.update(of_device["stopped"])
    said = "; ".join(f"{count} x {reason}" for reason, count in stops.items())
    return f"; stopped meanwhile: {said}" if said else ""


def tables(result: dict) -> tuple[Table, Table]:
    """What a person reads: how late, and how large a step."""
    late, steps = [], []
    for device, of_device in result["devices"].items():
        for way, goal_ms in GOALS_MS.items():
            row = of_device[way]
            ms = row["late_ms"]
            late.append(
                (
                    f"{device}, {way}",
                    str(ms["n"]),
                    *(f"{ms[key]:.0f}" for key in ("p50", "p99", "max")),
                    f"{goal_ms:g}",
                )
            )
            shares = [row[key] for key in ("step", "naive_step", "gain", "naive_gain")]
            steps.append(
                (
                    f"{device}, {way}",
                    *(f"{share['p50']:.1f} ({share['max']:.1f})" for share in shares),
                )
            )
    name = result["embodiment"]
    return (
        Table(
            title=f"{name}: from the press to the first command for the person, and from the "
            "request to the first command of a plan, ms",
            columns=("", "n", "median", "p99", "max", "goal of p99"),
            rows=late,
        ),
        Table(
            title=f"{name}: largest step at a hand-over, median (max), as a multiple of what the "
            f"joint may do in a period{_stops(result)}",
            columns=("", "position", "naive", "velocity", "naive"),
            rows=steps,
        ),
    )
