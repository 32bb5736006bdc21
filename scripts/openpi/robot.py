"""robot.py HOST PORT KEY: an ALOHA as in openpi's examples/aloha_real, on the stock client.

Runs in an environment with openpi-client and without us. In its third episode it says "now" and
goes on until the connection breaks; then it reads a line, and connects again.
"""

import sys
import time

import numpy as np
from openpi_client import image_tools
from openpi_client.action_chunk_broker import ActionChunkBroker
from openpi_client.runtime.agents.policy_agent import PolicyAgent
from openpi_client.runtime.environment import Environment
from openpi_client.runtime.runtime import Runtime
from openpi_client.websocket_client_policy import WebsocketClientPolicy
from websockets.exceptions import ConnectionClosed, InvalidStatus

HORIZON = 16  # of our ALOHA: main.py --action-horizon
MAX_HZ = 50
START = [0.0, -0.96, 1.16, 0.0, -0.3, 0.0, 1.0] * 2


class Aloha(Environment):
    """Follows perfectly. As theirs, it sends four views with the colours first, and no prompt."""

    def __init__(self):
        self.actions, self.say_now_at = [], None
        self.raw = np.random.default_rng(0).random((480, 640, 3))

    def reset(self):
        self.state = np.array(START)

    def is_episode_complete(self):
        return False

    def get_observation(self):
        image = image_tools.resize_with_pad(image_tools.convert_to_uint8(self.raw), 224, 224)
        views = ("cam_high", "cam_low", "cam_left_wrist", "cam_right_wrist")
        images = {name: np.moveaxis(image, 2, 0) for name in views}
        return {"state": self.state.copy(), "images": images}

    def apply_action(self, action):
        target = action["actions"]
        assert target.shape == (14,) and target.dtype == np.float32 and np.isfinite(target).all()
        assert np.abs(target - self.state)[:6].max() < 0.2, "a jump"
        self.state = target.astype(float)
        self.actions.append(target)
        if len(self.actions) == self.say_now_at:
            print("now", flush=True)


class Counted(WebsocketClientPolicy):
    """Counts what the server is asked."""

    asked = 0

    def infer(self, obs):
        self.asked += 1
        return super().infer(obs)


def run(policy, robot, steps):
    broker = ActionChunkBroker(policy, action_horizon=HORIZON)
    Runtime(robot, PolicyAgent(broker), [], max_hz=MAX_HZ, max_episode_steps=steps).run()


def main():
    host, port, key = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    try:
        WebsocketClientPolicy(host, port, "another-key-than-the-servers")
        raise AssertionError("let in without the key")
    except InvalidStatus as error:
        assert error.response.status_code == 401

    policy, robot = Counted(host, port, key), Aloha()
    served = policy.get_server_metadata()["embodiments"]["aloha"]
    assert len(served["joint_names"]) == len(START) and served["horizon"] == HORIZON
    run(policy, robot, 40)
    assert len(robot.actions) == 41 and policy.asked == 3  # their loop counts steps from 0
    try:
        policy.infer({"state": np.zeros(14)})
        raise AssertionError("answered without images")
    except RuntimeError as error:
        assert "images" in str(error), error
    run(policy, robot, 5)  # the connection is as good as before
    moved = np.ptp(robot.actions, axis=0).max()
    print(f"two episodes, {policy.asked} questions, moved by up to {moved:.2f} rad", flush=True)

    robot.actions.clear()
    robot.say_now_at = 20
    try:
        run(policy, robot, 100_000)
        raise AssertionError("it went on without a server")
    except ConnectionClosed:
        # The chunk was played out, and nothing came after it.
        assert len(robot.actions) % HORIZON == 0 < len(robot.actions)
    print(f"the connection broke after {len(robot.actions)} actions", flush=True)
    sys.stdin.readline()
    while True:
        try:
            run(WebsocketClientPolicy(host, port, key), robot, 20)
            break
        except ConnectionRefusedError:
            time.sleep(0.2)
    print("and on with a new one", flush=True)


main()
