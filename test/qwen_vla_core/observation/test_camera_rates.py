"""Slow and unsteady cameras are no fault: each new image can become an observation."""

import functools
import heapq
import itertools

import numpy as np
import pytest

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.embodiment.streams import joint_streams
from qwen_vla_core.observation import Instant, Refusal
from qwen_vla_core.observation.of_embodiment import assembler_of
from qwen_vla_core.resources import embodiments_directory

LATENCY_S = 0.05
"""From exposure to receipt: a frame at 30 Hz, and its way through compression and DDS."""
JOINTS_S, POLL_S = 0.01, 0.02


@functools.cache
def robot_of(name):
    return load_embodiment(embodiments_directory() / f"{name}.yaml")


def longest_without_observation_s(robot, image_s, jitter, seed, for_s=6.0):
    """Cameras with phases of their own, each image up to ``jitter`` of a period late."""
    rng = np.random.default_rng(seed)
    assembler = assembler_of(robot, simulated=True)
    events = [(0.0, "poll", 0.0), (0.0, "joints", 0.0)]
    for camera in robot.cameras:
        for taken_s in np.arange(rng.uniform(0.0, image_s), for_s, image_s):
            taken_s += rng.uniform(0.0, jitter * image_s)
            events.append((taken_s + LATENCY_S, camera.name, taken_s))
    heapq.heapify(events)
    last_s, longest_s = None, 0.0
    pixels, streams = np.zeros((2, 2, 3), np.uint8), joint_streams(robot)
    while events[0][0] < for_s:
        at_s, what, taken_s = heapq.heappop(events)
        now = Instant(ros_s=1e6 + at_s, steady_s=at_s)
        if what == "joints":
            for stream in streams:
                names = stream.driver_names
                assembler.add_joints(
                    stream.topic, names, [0.0] * len(names), stamp_s=now.ros_s, now=now
                )
            zeros = [0.0] * len(robot.joints)
            assembler.add_command(robot.joint_names, zeros, stamp_s=now.ros_s, now=now)
            heapq.heappush(events, (at_s + JOINTS_S, what, 0.0))
        elif what == "poll":
            if not isinstance(assembler.assemble("go", now), Refusal):
                last_s = at_s
            elif last_s is not None:
                longest_s = max(longest_s, at_s - last_s)
            heapq.heappush(events, (at_s + POLL_S, what, 0.0))
        else:
            assembler.add_image(what, pixels, stamp_s=1e6 + taken_s, now=now)
    assert last_s is not None
    return longest_s


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("name", "rate_hz", "jitter"),
    [
        *itertools.product(("mobile_base", "widowx", "widowx_mobile"), (6, 15), (0.0, 0.4)),
        ("aloha", 15, 0.0),  # its 0.1 s of skew is too little for three unsteady cameras at 15 Hz
        *itertools.product(("aloha",), (30,), (0.0, 0.4)),
    ],
)
def test_when_cameras_are_slow_or_unsteady_expect_an_observation_in_each_period_of_theirs(
    name, rate_hz, jitter, seed
):
    longest_s = longest_without_observation_s(robot_of(name), 1.0 / rate_hz, jitter, seed)
    assert longest_s <= (1.0 + jitter) / rate_hz + POLL_S
