"""server.py PORT: openpi's own server with a policy that wants a robot to stay where it is.

Runs in an environment with openpi-server and without us. It checks what it is sent, as openpi's
transforms would find it (their policies/*_policy.py).
"""

import logging
import sys

import numpy as np
from openpi_client.base_policy import BasePolicy
from openpi_server.websocket_policy_server import WebsocketPolicyServer


class StayingPolicy(BasePolicy):
    def infer(self, obs):
        assert isinstance(obs["prompt"], str)
        if obs["prompt"] == "fail":
            raise ValueError("as it was told")
        if "images" in obs:  # aloha_policy.AlohaInputs
            for name in ("cam_high", "cam_left_wrist", "cam_right_wrist"):
                expect_image(obs["images"][name], (3, 224, 224))
            return {"actions": np.tile(expect_numbers(obs["state"], 14), (50, 1))}
        if "observation/state" in obs:  # libero_policy.LiberoInputs
            expect_image(obs["observation/image"], (224, 224, 3))
            expect_image(obs["observation/wrist_image"], (224, 224, 3))
            fingers = expect_numbers(obs["observation/state"], 8)[6:]
            open_or_closed = -1.0 if fingers[0] > 0.02 else 1.0
            return {"actions": np.tile(np.float32([0] * 6 + [open_or_closed]), (10, 1))}
        # droid_policy.DroidInputs
        expect_image(obs["observation/exterior_image_1_left"], (224, 224, 3))
        expect_image(obs["observation/wrist_image_left"], (224, 224, 3))
        expect_numbers(obs["observation/joint_position"], 7)
        gripper = expect_numbers(obs["observation/gripper_position"], 1)
        return {"actions": np.tile(np.float32([*[0] * 7, *gripper]), (15, 1))}


def expect_image(image, shape):
    assert image.dtype == np.uint8 and image.shape == shape, (image.dtype, image.shape)


def expect_numbers(values, count):
    values = np.asarray(values)
    assert values.shape == (count,) and np.isfinite(values).all(), values
    return values.astype(np.float32)


logging.disable()  # a traceback for each error that the test wants
metadata = {"reset_pose": [0, -1.5, 1.5, 0, 0, 0]}
WebsocketPolicyServer(StayingPolicy(), "127.0.0.1", int(sys.argv[1]), metadata).serve_forever()
