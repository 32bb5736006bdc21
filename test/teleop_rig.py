"""A person with a device and a control loop that follows, with its own time: no ROS."""

import numpy as np

from looped_robot import LoopedRobot
from qwen_vla_core.execution import Sample
from qwen_vla_core.modes import Answer, Mode, ModeEvent
from qwen_vla_core.teleop import Ask, Hands, Mover, Session, Wish

TRIGGERS = {
    Ask.ENGAGE: ModeEvent.ENGAGE_TELEOP,
    Ask.HOLD: ModeEvent.HOLD,
    Ask.HAND_BACK: ModeEvent.ENGAGE_POLICY,
}


class TeleopRig:
    """Session and ControlLoop, one period after the other, as the two nodes would be.

    Attributes:
        hands: what the device says; None for silence.
        words: all that the person was told.
        targets: positions and velocities of every target that was published, with its time.
    """

    def __init__(self, embodiment, start_D, leader=None):
        self.robot = LoopedRobot(embodiment, start_D).run(0.2)
        self.mover = Mover(embodiment, leader)
        self.session = Session(self.mover)
        self.hands = Hands(pressed=False, wish=Wish())
        self.messages, self.targets, self.problems, self.asks = [], [], [], []
        self.commands_arrive = True

    @property
    def mode(self):
        return self.robot.loop.state.mode

    @property
    def command_D(self):
        robot = self.robot
        return robot.commands[-1] if robot.commanding else robot.measured_D

    def command(self):
        velocities = self.robot.velocities if self.robot.commanding else []
        still_D = np.zeros(len(self.command_D))
        return Sample(
            positions_D=self.command_D.copy(),
            velocities_D=velocities[-1].copy() if velocities else still_D,
        )

    def run(self, seconds, give=None):
        for _ in range(round(seconds / self.robot.period_s)):
            self.period()
            if give is not None:
                give()
        return self

    def period(self):
        robot, state = self.robot, self.robot.loop.state
        step = self.session.update(
            self.hands,
            f"{state.mode.value}: {state.reason}",
            self.command() if self.commands_arrive else None,
            self.problems,
            robot.now_s,
        )
        if step.target is not None:
            self.targets.append((robot.now_s, step.target))
            robot.loop.on_teleop(step.target, robot.ros_s, robot.now_s)
        if step.message:
            self.messages.append(step.message)
        if step.ask is not None:
            self.asks.append(step.ask)
            transition = robot.ask(TRIGGERS[step.ask])
            if transition.answer is Answer.REFUSED and step.ask is Ask.ENGAGE:
                self.session.refuse(transition.reason)
        robot.run(robot.period_s)
        return step

    def press(self, wish=None):
        """A dead-man that was seen released is pressed, and the robot is handed over."""
        self.release()
        self.period()
        self.hands = Hands(pressed=True, wish=wish or Wish())
        return self.run(0.2)

    def wish(self, **parts):
        self.hands = Hands(pressed=True, wish=Wish(**parts))
        return self

    def release(self):
        self.hands = Hands(pressed=False, wish=self.hands.wish if self.hands else Wish())

    def check_motion(self, held=True):
        """Every command is within limits: by position, by step, by change of velocity.

        Where nothing ``held`` the robot, no joint may have stopped at once.
        """
        joints = self.robot.embodiment.joints
        arms = ~np.array(self.robot.embodiment.base_D)
        commands = np.array(self.robot.commands)[:, arms]
        period_s = self.robot.period_s
        speed = np.array([joint.velocity for joint in joints])[arms]
        acceleration = np.array([joint.acceleration for joint in joints])[arms]
        velocities = np.diff(commands, axis=0) / period_s
        assert np.isfinite(commands).all()
        assert (np.abs(velocities) <= speed + 1e-6).all()
        changes = np.abs(velocities) if held else velocities  # a hold may stop at once
        gains = np.diff(changes, axis=0) / period_s
        assert (gains <= acceleration + 1e-6).all()
        assert held or (gains >= -acceleration - 1e-6).all()


def teleop_mode(rig):
    return rig.mode is Mode.TELEOP
