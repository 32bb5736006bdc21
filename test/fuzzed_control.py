"""Control loops that are given anything: `make fuzz`, and a moment of it in `make test`.

Robots, some of them from a description in which a number was replaced, whose chunks, joint states,
teleop, requests, emergency stops and clocks are random and often wrong. What is commanded is
watched by observers that share no code with the filter. Without ROS; time is an argument.
"""

import argparse
import re
from types import SimpleNamespace

import numpy as np
from tqdm import tqdm

from command_observer import BaseObserver, CommandObserver
from qwen_vla_core.embodiment import parse_embodiment
from qwen_vla_core.embodiment.streams import joint_streams
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.execution import ControlLoop, Sample
from qwen_vla_core.execution.limiter import SPEED_SCALES
from qwen_vla_core.from_messages import chunk_from_message
from qwen_vla_core.modes import Answer, Mode, ModeEvent
from qwen_vla_core.observation import match_joints
from qwen_vla_core.resources import embodiments_directory
from robots import arm_on_base_text, base_text, one_arm_text, two_arms_text

STEPS = 200  # control periods of one robot
SHIPPED = ("widowx", "aloha", "mobile_base", "widowx_mobile")
ODD = (np.nan, np.inf, -np.inf, 1e308, -1e308, 1e-308, 0.0)
REQUESTS = tuple(ModeEvent)[:6]
ENGAGES = (ModeEvent.ENGAGE_POLICY, ModeEvent.ENGAGE_TELEOP, ModeEvent.GO_TO_START)
MOVES = (Mode.START, Mode.TELEOP, Mode.AUTONOMY)


class Fuzz:
    """One robot from one seed.

    Attributes:
        commands: how many there were.
    """

    def __init__(self, text, seed):
        """Raises QwenVlaError where the description is refused."""
        self.rng = np.random.default_rng(seed)
        self.robot = robot = parse_embodiment(text, f"fuzz-{seed}.yaml")
        self.loop = ControlLoop(robot, estop_topics=["estop"])
        self.streams = joint_streams(robot)
        self.period_s = 1.0 / robot.command_hz
        self.steady_s, self.offset_s = 100.0, 1e9
        base_D = np.array(robot.base_D)
        self.arms, self.base = np.flatnonzero(~base_D), np.flatnonzero(base_D)
        lower, upper = (
            np.array([getattr(j, k) for j in robot.joints]) for k in ("lower", "upper")
        )
        start_D = np.array(robot.start_D)
        if self.chance(0.3):  # anywhere, also a little outside
            margin = np.minimum(0.1, 0.1 * (upper - lower))
            start_D = self.rng.uniform(lower - margin, upper + margin)
        self.measured_D = np.where(base_D, 0.0, start_D)
        self.seen, self.follows, self.silent = [], True, False
        self.engaged, self.pressed = False, False
        self.commands, self.last_D, self.was, self.looked_s = 0, None, None, -np.inf
        self._watch_anew()

    def chance(self, share):
        return self.rng.random() < share

    def _watch_anew(self):
        arms = [self.robot.joints[k] for k in self.arms]
        self.arm_observer = CommandObserver(
            lower=[j.lower for j in arms],
            upper=[j.upper for j in arms],
            velocity=[j.velocity for j in arms],
            acceleration=[j.acceleration for j in arms],
        )
        self.base_observer = None
        if len(self.base):
            ahead, _, turn = (self.robot.joints[k] for k in self.base)
            self.base_observer = BaseObserver(
                velocity=[ahead.velocity, turn.velocity],
                acceleration=[ahead.acceleration, turn.acceleration],
            )

    # --- what arrives

    @property
    def ros_s(self):
        return self.steady_s + self.offset_s

    def numbers(self, around, spread):
        """Near ``around``, or far away, or no numbers at all."""
        values = around + self.rng.normal(0.0, spread, np.shape(around))
        if self.chance(0.1):
            values.flat[self.rng.integers(values.size)] = self.rng.choice(ODD)
        if self.chance(0.05):
            values = values * 1e6
        return values

    def order(self, names):
        """The names in another order, or wrong."""
        names = [str(name) for name in self.rng.permutation(names)]
        kind = self.rng.integers(20)
        if kind == 0:
            names.pop()
        elif kind == 1:
            names[0] = names[-1]
        elif kind == 2:
            names.append("nobody's")
        return names

    def measure(self):
        for stream in self.streams:
            names = self.order(stream.driver_names)
            truth = dict(zip(stream.driver_names, self.measured_D[list(stream.rows)], strict=True))
            values = np.array([truth.get(name, 0.0) for name in names])
            if self.chance(0.05):
                values = self.numbers(values, 0.5)
            try:
                positions = match_joints(names, values, stream.driver_names)
            except QwenVlaError:
                continue
            self.loop.inputs.on_joints(positions, self.steady_s, stream.topic)
        if self.robot.base is not None and not self.chance(0.05):
            self.loop.inputs.on_odometry(self.steady_s)
        if not self.chance(0.02):
            self.loop.inputs.on_estop_heartbeat("estop", self.steady_s)

    def give_chunk(self):
        robot, rng = self.robot, self.rng
        points = robot.horizon + 1
        if self.chance(0.1):
            points = int(rng.integers(0, 2 * points))
        here_D = self.measured_D if self.last_D is None else self.last_D
        spread = rng.choice([0.001, 0.05, 1.0])
        way_D = rng.normal(0.0, spread, len(here_D))
        positions_TD = here_D + np.linspace(0.0, 1.0, points)[:, None] * way_D
        velocities_TD = np.zeros_like(positions_TD)
        velocities_TD[:, self.base] = rng.normal(0.0, 0.5, len(self.base))
        positions_TD[:, self.base] = 0.0
        if points and self.chance(0.3):
            positions_TD = self.numbers(positions_TD, 0.02)
            velocities_TD = self.numbers(velocities_TD, 0.5)
        step_s = robot.action_step_s
        if self.chance(0.05):
            step_s = rng.choice([0.0, 1e-9, 0.013, 1e9])
        stamp_s = self.ros_s + rng.choice([0.0, -0.05, -0.5, -5.0, 0.04, 3.0])
        message = SimpleNamespace(
            header=SimpleNamespace(stamp=_time(max(stamp_s, 0.0))),
            joint_names=self.order(robot.joint_names),
            points=[
                SimpleNamespace(
                    positions=list(p), velocities=list(v), time_from_start=_time(k * step_s)
                )
                for k, (p, v) in enumerate(zip(positions_TD, velocities_TD, strict=True))
            ],
        )
        try:
            chunk = chunk_from_message(message, robot.joint_names)
        except QwenVlaError:
            return
        self.loop.on_chunk(chunk, self.ros_s, self.steady_s)

    def give_teleop(self):
        here_D = self.measured_D if self.last_D is None else self.last_D
        target = Sample(
            positions_D=self.numbers(here_D, self.rng.choice([0.001, 0.05, 1.0])),
            velocities_D=self.numbers(np.zeros(len(here_D)), 0.5),
        )
        self.loop.on_teleop(target, self.ros_s, self.steady_s)

    def ask(self):
        event = REQUESTS[self.rng.integers(len(REQUESTS))]
        problems = ["a driver's"] if self.chance(0.1) else []
        transition = self.loop.request(event, self.ros_s, self.steady_s, problems)
        accepted = transition.answer is Answer.ACCEPTED
        if event in ENGAGES and accepted:
            assert not problems and not self.pressed, "engaged in spite of a problem or a press"
            self.engaged = True
            if self.last_D is None:
                self.began_D = self.loop.inputs.measured_D.copy()
        if event is ModeEvent.RESET and accepted:
            assert not self.pressed, "reset in spite of a press"

    def press(self):
        self.pressed = self.chance(0.3)
        self.loop.on_estop(self.pressed, self.ros_s, "a button is pressed")
        if self.pressed:
            assert self.loop.state.mode is Mode.ESTOP, "a press that does not stop"

    def break_something(self):
        kind, rng = self.rng.integers(8), self.rng
        if kind == 0:
            self.offset_s += rng.choice([-5.0, -0.1, 0.1, 5.0])
        elif kind == 1:
            self.steady_s += rng.uniform(0.0, 3.0)  # nothing ran
        elif kind == 2:
            self.silent = not self.silent
        elif kind == 3:
            self.follows = not self.follows
        elif kind == 4:
            self.loop.on_hardware_fault("a driver ended", self.ros_s)
        elif kind == 5:
            self.loop.limiter.max_speed_scale = rng.uniform(*SPEED_SCALES)
        elif kind == 6:
            self.measured_D[self.arms] += rng.normal(0.0, 0.2, len(self.arms))  # pushed
        else:
            self.loop.pause(self.ros_s)
            self.engaged, self.looked_s = False, -np.inf

    # --- one period

    def step(self):
        for do, share in (
            (self.give_chunk, 0.1),
            (self.give_teleop, 0.1),
            (self.ask, 0.2),
            (self.press, 0.02),
            (self.break_something, 0.03),
        ):
            if self.chance(share):
                do()
        dt_s = self.period_s
        if self.chance(0.2):
            dt_s *= self.rng.choice([1e-3, 0.5, 0.9, 1.1, 3.0])
        self.steady_s += dt_s
        if self.chance(0.02):
            self.offset_s -= dt_s  # ROS time stands still
        if not self.silent:
            self.measure()
            self.seen.append(self.measured_D.copy())
        self.look(self.loop.update(self.ros_s, self.steady_s))

    def look(self, cycle):
        mode = self.loop.state.mode
        assert mode is not Mode.ESTOP or not (cycle and cycle.following), "moved in ESTOP"
        commanding = cycle is not None and cycle.commanding
        assert not commanding or self.engaged, "commanded although nobody engaged"
        if mode in MOVES and cycle is not None:
            assert commanding, f"silent in {mode}"
        dt_s = min(max(self.steady_s - self.looked_s, 1e-6), self.period_s)
        self.looked_s = self.steady_s
        if not commanding:
            self.last_D = self.was = None
            self._watch_anew()
            return
        motion, self.commands = cycle.filtered.motion, self.commands + 1
        if self.last_D is None:
            off_rad = [
                np.abs(self.began_D - seen)[self.arms].max(initial=0.0) for seen in self.seen
            ]
            assert min(off_rad) < 1e-9, f"began {min(off_rad)} away from where the robot was"
            self.arm_observer.see(self.began_D[self.arms], dt_s)
        self.arm_observer.see(motion.command_D[self.arms], dt_s)
        if self.base_observer is not None:
            ahead, left, turn = motion.velocity_D[self.base]
            assert left == 0.0 and not motion.command_D[self.base].any()
            self.base_observer.see(ahead, turn, dt_s)
        if mode is Mode.ESTOP and self.was is Mode.ESTOP:
            assert (motion.command_D == self.last_D).all(), "the command changed in ESTOP"
        self.was, self.last_D = mode, motion.command_D
        if self.follows:
            self.measured_D = motion.command_D.copy()


def _time(value_s):
    whole = int(value_s)
    return SimpleNamespace(sec=whole, nanosec=round((value_s - whole) * 1e9))


def texts():
    """Descriptions of robots, by name."""
    shipped = {name: (embodiments_directory() / f"{name}.yaml").read_text() for name in SHIPPED}
    made = {f.__name__: f() for f in (one_arm_text, two_arms_text, base_text, arm_on_base_text)}
    return made | shipped


def with_another_number(text, rng):
    """The description with one number replaced."""
    places = list(re.finditer(r"(?<![\w.-])-?\d+(\.\d+)?(?![\w.-])", text))
    place = places[rng.integers(len(places))]
    new = rng.choice([".nan", ".inf", "-1", "0", "1e9", "1e-9", "0.5", "50", "null", "x"])
    return text[: place.start()] + str(new) + text[place.end() :]


def fuzz(steps, seed=0, progress=False):
    """Drive robots for that many control periods, in a new one after every ``STEPS``.

    Returns:
        How many commands there were, and how many descriptions were refused.
    Raises:
        AssertionError: with the seed that shows it again.
    """
    of, done, commands, refused = texts(), 0, 0, 0  # of: robot -> description
    names = list(of)
    with tqdm(total=steps, unit="period", disable=not progress) as bar:
        while done < steps:
            name, rng = names[seed % len(names)], np.random.default_rng(seed)
            text = with_another_number(of[name], rng) if rng.random() < 0.3 else of[name]
            try:
                robot = Fuzz(text, seed)
            except QwenVlaError:
                refused += 1
                seed += 1
                continue
            with np.errstate(over="ignore", invalid="ignore"):
                for period in range(min(STEPS, steps - done)):
                    try:
                        robot.step()
                    except Exception as error:
                        again = f"fails again with --seed {seed} --steps {period + 1}"
                        raise AssertionError(f"{name}: {error}; {again}") from error
            commands += robot.commands
            done += period + 1
            bar.update(period + 1)
            seed += 1
    return commands, refused


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog="example: make fuzz ARGS='--steps 10000'"
    )
    parser.add_argument("--steps", type=int, default=1_000_000, help="control periods in all")
    parser.add_argument("--seed", type=int, default=0, help="of the first robot")
    args = parser.parse_args()
    commands, refused = fuzz(args.steps, args.seed, progress=True)
    print(
        f"{args.steps} control periods, {commands} with a command, none of them wrong; "
        f"{refused} descriptions refused"
    )


if __name__ == "__main__":
    main()
