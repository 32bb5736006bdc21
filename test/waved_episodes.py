"""Episodes made up for tests: a robot that waves slowly before a dot that moves."""

from pathlib import Path

import cv2
import numpy as np

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_data.episode import Episode
from qwen_vla_data.plans import with_plans

EMBODIMENTS = Path(__file__).parents[1] / "embodiments"
ROBOTS = ("widowx", "aloha", "mobile_base", "widowx_mobile")
BEGIN_S = 1_790_000_000.0


def codec_of(name):
    return EmbodimentCodec(load_embodiment(EMBODIMENTS / f"{name}.yaml"))


def waved(robot, steps):
    """Commands [T, D] around the start pose, within all limits; a base drives a curve."""
    low_D, high_D = np.array([(joint.lower, joint.upper) for joint in robot.joints]).T
    middle_D = np.clip(
        robot.start_D, low_D + 0.3 * (high_D - low_D), high_D - 0.3 * (high_D - low_D)
    )
    middle_D = np.where(high_D - low_D < 0.1, middle_D, robot.start_D)  # a gripper, half open
    share_D = np.minimum(0.1, 0.25 * (high_D - low_D))
    phase_T1 = 2.0 * np.pi * np.arange(steps)[:, None] / (8.0 * robot.action_hz)
    commanded_TD = middle_D + share_D * np.sin(phase_T1 * (1 + np.arange(len(share_D)) % 3))
    base_D = np.array(robot.base_D)
    if base_D.any():
        yaw_T = 0.3 + 0.4 * phase_T1[:, 0]
        x_T, y_T = 2.0 + np.sin(yaw_T), 1.0 - np.cos(yaw_T)
        commanded_TD[:, base_D] = np.stack([x_T, y_T, yaw_T], axis=1)
    return commanded_TD


def dots(steps, seed=0, size=(48, 64), static=False):
    """RGB images [T, H, W, 3]: a coloured field of its own, and a dot that moves over it."""
    rng = np.random.default_rng(seed)
    field = cv2.resize(rng.integers(40, 220, (4, 4, 3), dtype=np.uint8), size[::-1])
    images = np.tile(field, (steps, 1, 1, 1))
    for t, image in enumerate(images):
        x = 8 if static else 8 + 3 * t % (size[1] - 16)
        cv2.circle(image, (x, size[0] // 2), 5, (250, 30, 30), -1)
    return images


def png(image):
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()


def teleoperated(codec, steps=30, seed=0, **changes):
    """As a person's on a robot: one sentence, stamps, modes and an outcome, no plans."""
    robot = codec.embodiment
    commanded_TD = waved(robot, steps)
    late_TD = commanded_TD[np.maximum(np.arange(steps) - 1, 0)]
    positions_TD = np.where(robot.base_D, 0.0, late_TD)
    columns = {
        "embodiment": robot.name,
        "stride": 1,
        "instructions": ("pick up the red block",),
        "images": {
            camera.name: tuple(png(p) for p in dots(steps, seed=10 * number))
            for number, camera in enumerate(robot.cameras)
        },
        "states_TS": np.stack([codec.state(p) for p in positions_TD]).astype(np.float32),
        "commanded_TD": commanded_TD.astype(np.float32),
        "positions_TD": positions_TD,
        "stamps_T": BEGIN_S + seed + np.arange(steps) / robot.action_hz,
        "modes_T": np.array(["TELEOP"] * (steps // 2) + ["AUTONOMY"] * (steps - steps // 2)),
        "interventions_T": np.arange(steps) < steps // 2,
        "success": True,
    }
    return Episode(**(columns | changes))


def planned(codec, steps=12, stride=5):
    """As a simulator's: an expert's plans, and only every ``stride``-th action step."""
    robot = codec.embodiment
    every = teleoperated(codec, steps * stride)
    plans = with_plans(every, codec)
    seen = slice(None, None, stride)
    return Episode(
        embodiment=robot.name,
        stride=stride,
        seed=10_000,
        instructions=("pick up the red block", "pick up the blue block"),
        images={name: frames[seen] for name, frames in every.images.items()},
        states_TS=every.states_TS[seen],
        commanded_TD=every.commanded_TD[seen],
        positions_TD=every.positions_TD[seen],
        success=False,
        actions_NTHC=np.tile(plans.actions_NTHC[:, seen], (2, 1, 1, 1)),
        valid_NTH=np.tile(plans.valid_NTH[:, seen], (2, 1, 1)),
    )
