"""A robot that follows a remote policy: its control loop and its policy loop, without ROS."""

import math
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from command_observer import CommandObserver
from looped_robot import LoopedRobot
from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_core.execution import PolicyLoop
from qwen_vla_core.modes import Mode, ModeEvent
from qwen_vla_remote.client import RemotePolicy
from scripted_policy import scene


class Driven:
    """A robot that follows a remote policy, in real time; it looks for where to go in a wave.

    Attributes:
        robot: with its control loop.
        modes: each that it was in, one after the other.
        idle: periods of autonomy in which it held, and all.
        asked, answers, failures: how many requests there were, and what came of them.
    """

    def __init__(self, embodiment, policy):
        self.policy = policy
        self.robot = LoopedRobot(embodiment, embodiment.start_D)
        self.plan = PolicyLoop(EmbodimentCodec(embodiment), expected_s=0.1)
        self.plan.on_instruction("pick up the red block")
        self.observer = CommandObserver(
            lower=[joint.lower for joint in embodiment.joints],
            upper=[joint.upper for joint in embodiment.joints],
            velocity=[joint.velocity for joint in embodiment.joints],
            acceleration=[joint.acceleration for joint in embodiment.joints],
        )
        self.modes, self.idle = [Mode.HOLD], [0, 0]
        self.asked = self.answers = self.failures = 0
        self._pool, self._plan = ThreadPoolExecutor(1), None

    def period(self):
        """One control period of both loops, without waiting for its end."""
        robot = self.robot
        sent = len(robot.commands)
        robot.run(robot.period_s)
        for command in robot.commands[sent:]:
            self.observer.see(command, robot.period_s)
        if (mode := robot.loop.state.mode) is not self.modes[-1]:
            self.modes.append(mode)
            self.plan.on_mode(mode, robot.ros_s)
        if mode is Mode.AUTONOMY and len(robot.commands) > 1:
            self.idle[0] += bool((robot.commands[-1] == robot.commands[-2]).all())
            self.idle[1] += 1
        self._take_answer()
        self._ask()

    def _take_answer(self):
        robot = self.robot
        if self._plan is not None and self._plan.done():
            done, self._plan = self._plan, None
            if error := done.exception():
                self.failures += 1
                self.plan.on_failure(error)
            else:
                self.answers += 1
                robot.loop.on_chunk(done.result(), robot.ros_s, robot.now_s)
                self.plan.on_chunk(done.result(), robot.ros_s, robot.now_s)

    def _ask(self):
        robot = self.robot
        if self.plan.due(robot.ros_s):
            mark = 0.1 + 0.1 * math.sin(2.0 * robot.now_s)
            seen = scene(
                robot.embodiment,
                mark,
                stamp_s=robot.ros_s,
                positions_D=robot.measured_D,
                commanded_D=robot.commands[-1] if robot.commands else robot.measured_D,
            )
            if request := self.plan.start_inference(seen, robot.now_s):
                self.asked += 1
                self._plan = self._pool.submit(
                    self.policy.plan, request.observation, request.prefix
                )

    def until(self, condition):
        until([self], condition)

    def run(self, periods):
        run([self], periods)

    def engage(self):
        """A person asks for autonomy, again where that ended, until the arm has moved."""
        sent = len(self.robot.commands)
        self.until(lambda: self.engaged_and_moved(sent))

    def engaged_and_moved(self, sent):
        """Whether it has moved in autonomy since then; a person asks for that where it is not."""
        if self.plan.gave_up:
            self.plan.reset()
        if self.robot.loop.state.mode is Mode.AUTONOMY:
            return self.moved_since(sent)
        self.robot.ask(ModeEvent.ENGAGE_POLICY)
        return False

    def moved_since(self, sent):
        commands = self.robot.commands[sent:]
        return commands and np.ptp(commands, axis=0).max() > 0.05


def run(robots, periods):
    """So many control periods of all, in real time."""
    for _ in range(periods):
        end_s = time.monotonic() + robots[0].robot.period_s
        for robot in robots:
            robot.period()
        time.sleep(max(0.0, end_s - time.monotonic()))


def until(robots, condition, within_s=30.0):
    """Run all until then."""
    end_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end_s, [robot.robot.loop.state for robot in robots]
        run(robots, 1)


@contextmanager
def eight_robots(url, embodiment, deadline_s=3.0):
    """Robots that ask a server."""
    policies = [RemotePolicy(url, embodiment, deadline_s) for _ in range(8)]
    try:
        yield [Driven(embodiment, policy) for policy in policies]
    finally:
        for policy in policies:
            policy.close()


def engage(robots, beside=()):
    """A person engages each of these until it has moved; others run beside them."""
    sent = [len(robot.robot.commands) for robot in robots]

    def moved():
        found = [r.engaged_and_moved(n) for r, n in zip(robots, sent, strict=True)]
        return all(found)

    until([*robots, *beside], moved)


def engage_again(robots, sent):
    """A person engages one of all that hold, the others stay; then all, and all are answered.

    Args:
        sent: number of commands of each robot when it began to hold.
    """
    first, *others = robots
    engage([first], beside=others)
    assert not any(r.moved_since(n) for r, n in zip(others, sent[1:], strict=True))
    engage(robots)
    assert all(robot.modes == [Mode.HOLD, Mode.AUTONOMY] * 2 for robot in robots)
    expect_answers(robots)


def expect_hold(robots):
    """All hold, because of their policies, which have given up."""
    until(robots, lambda: all(robot.modes[-1] is Mode.HOLD for robot in robots))
    assert all("policy" in robot.robot.loop.state.reason for robot in robots)
    until(robots, lambda: all(robot.plan.gave_up for robot in robots))


def expect_answers(robots):
    """Whatever was asked by now comes to an end."""
    asked = [robot.asked for robot in robots]

    def ended():
        return all(r.answers + r.failures >= n for r, n in zip(robots, asked, strict=True))

    until(robots, ended)
