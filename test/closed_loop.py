"""The whole system as processes over DDS: simulated WidowX, control node, shipped policy."""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from interbotix_xs_msgs.msg import JointGroupCommand

from command_observer import CommandObserver
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.resources import SHIPPED_CHECKPOINT, embodiments_directory
from qwen_vla_ros.bringup import describe_bringup
from qwen_vla_ros.operator import Operator
from qwen_vla_ros.processes import NodeProcesses

FAULTS = Path(__file__).parent / "faults"
PATH = embodiments_directory() / "widowx.yaml"
WIDOWX = load_embodiment(PATH)
PERIOD_S = 1.0 / WIDOWX.command_hz
START_S, EPISODE_S = 60.0, 25.0
MOVING_RAD = 0.05
"""The arm has plainly begun to move."""

FLOAT32 = 1e-6
"""Commands travel as float32: two neighbours are rounded by up to 0.2 urad each."""


def slow_cameras(node):
    """A node that shows 5 images a second if it is sim_node, and else the same."""
    if node.name != "sim_node":
        return node
    return replace(node, parameters=node.parameters | {"camera_rate_hz": 5.0})


class ClosedLoop:
    """Some of the nodes, and a person who watches them; rclpy is initialised."""

    def __init__(
        self,
        folder,
        names=("sim_node", "control_node", "policy_node"),
        checkpoint=str(SHIPPED_CHECKPOINT),
        policy="",
        relay=False,
        sim="",
    ):
        nodes = describe_bringup(embodiment=str(PATH), checkpoint=checkpoint, use_sim=True)
        nodes = [n for n in nodes if n.name in names]
        if policy:  # a file of test/faults in its place
            nodes = [replace(n, module=policy) if n.name == "policy_node" else n for n in nodes]
        if "policy_node" not in names:  # to draw images is half of the simulator's work
            nodes = [slow_cameras(n) for n in nodes]
        if sim:
            nodes = [replace(n, module=sim) if n.name == "sim_node" else n for n in nodes]
        if relay:  # the process ``camera_relay`` between cameras and policy
            sim = next(n for n in nodes if n.name == "sim_node")
            between = replace(sim, name="camera_relay", module="camera_relay", parameters={})
            nodes = [n for n in nodes if n is not sim]
            nodes += [replace(sim, module="far_sim_node"), between]
        environment = {"PYTHONPATH": os.pathsep.join([str(FAULTS), *sys.path])}
        self.processes = NodeProcesses(nodes, environment, folder)
        self.operator = Operator(WIDOWX)
        self.sent = []  # what the arm's driver really received, [6] each
        self.sent_s = []  # when, steady time
        self.operator.create_subscription(
            JointGroupCommand, "wx250s/commands/joint_group", self._on_sent, 100
        )

    def _on_sent(self, message):
        self.sent.append(np.array(message.cmd))
        self.sent_s.append(time.monotonic())

    def __enter__(self):
        self.processes.__enter__()
        return self

    def __exit__(self, *error):
        self.processes.__exit__(*error)
        self.operator.destroy_node()

    def expect(self, condition, timeout_s, what):
        assert self.operator.wait(condition, timeout_s), (
            f"{what} within {timeout_s} s; mode '{self.operator.mode}', "
            f"{self.operator.diagnostics}, {self.processes.stopped()}"
        )

    def ready(self):
        operator = self.operator
        self.expect(lambda: "/policy_node" in operator.diagnostics, START_S, "policy_node speaks")
        self.expect(lambda: len(operator.commands) > 5, START_S, "control_node runs")
        self.expect(lambda: len(operator.images) == 2, START_S, "both cameras show images")
        return self

    def engage(self, seed, instruction=None):
        """Lay out a scene, give the instruction and engage."""
        operator = self.operator
        operator.set_active("control_node", False)
        scene_instruction = operator.reset_simulation(seed)
        operator.set_active("control_node", True)
        self.sent.clear()  # it begins anew where the arm was placed
        self.sent_s.clear()
        operator.insist("reset", timeout_s=15.0)  # of what the last episode may have latched
        operator.instruct(instruction or scene_instruction)
        operator.insist("engage_policy", timeout_s=15.0)
        operator.clear_commands()

    def moved(self):
        return self.sent and np.abs(self.sent[-1] - self.sent[0]).max() > MOVING_RAD

    def moved_until_s(self):
        """When the last command came that differs from the one before, steady time."""
        steps = np.flatnonzero(np.abs(np.diff(self.sent, axis=0)).max(axis=1) > FLOAT32)
        return self.sent_s[steps[-1] + 1]

    def check_commands(self):
        """Every command so far is within limits and speeds, by an observer of its own."""
        arm = WIDOWX.joints[:6]
        observer = CommandObserver(
            lower=[joint.lower for joint in arm],
            upper=[joint.upper for joint in arm],
            velocity=[joint.velocity + FLOAT32 / PERIOD_S for joint in arm],
        )
        for command in self.sent:
            observer.see(command, PERIOD_S)  # at most a period's step, however late it comes
        assert self.sent

    def held_for(self, seconds):
        """Whether every command during the next ``seconds`` is the same."""
        self.operator.wait(lambda: False, 0.3)  # until all that was sent before has arrived
        count = len(self.sent)
        self.operator.wait(lambda: False, seconds)
        commands = np.array(self.sent[count:])
        assert len(commands) > 0.5 * seconds / PERIOD_S, "commands must go on during a hold"
        return bool((commands == commands[0]).all())
