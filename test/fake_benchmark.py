"""Stands for a benchmark in its own environment: two joints' worth of an ALOHA without physics."""

from types import SimpleNamespace

import numpy as np

STEPS = 40
FAILING = 3
"""State from which nothing succeeds."""


class FakeAloha:
    """Follows every action at once; succeeds after 24 steps if its left waist was moved."""

    hz = 50.0

    def reset(self, task, state):
        self.task, self.state, self.steps = task, state, 0
        self.joints = np.zeros(14)
        return "fail" if task == "refused" else "Move."

    def picture(self):
        return {"cam_high": np.full((480, 640, 3), 20 * self.steps % 200, np.uint8)}

    def request(self, images, metadata):
        prompt = "fail" if self.task == "refused" else "Move."
        return {"images": images, "state": self.joints, "prompt": prompt}

    def actions(self, answer, metadata):
        return answer["actions"]

    def step(self, action):
        self.joints, self.steps = np.asarray(action), self.steps + 1
        success = self.steps == 24 and self.joints[0] != 0.0 and self.state != FAILING
        return SimpleNamespace(success=success, ended=success or self.steps == STEPS)

    def expert(self):
        return self.joints + 0.01

    def disturb(self, action, by):
        return action

    def row(self, action):
        joints = self.joints.copy()
        return {"positions": joints, "commanded": joints, "action": np.array(action)}
