"""A robot's drivers, played for benchmarks: cameras, arms and commands as processes."""

import itertools
import multiprocessing
import os
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import rclpy
import simplejpeg
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_srvs.srv import Trigger

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.streams import joint_streams
from qwen_vla_core.errors import QwenVlaError

from .discovery import localhost_only
from .qos import RELIABLE

CAMERA_HZ, JOINTS_HZ, COMMAND_HZ = 30.0, 100.0, 50.0
WIDTH, HEIGHT = 640, 480
FRAMES = 8
NOISE = 3.0
"""Standard deviation of a pixel, of 255: a camera's indoors."""

START_TIMEOUT_S = 30.0


@contextmanager
def played_drivers(robot: Embodiment, kind: str, domain: int) -> Iterator["Person"]:
    """Drivers of a robot: a process for each camera, and one for arms and commands.

    Args:
        kind: what the cameras send, ``raw`` or ``jpeg``.
        domain: ROS domain.
    Yields:
        Somebody who asks for services.
    """
    arms = {stream.topic: JOINTS_HZ for stream in joint_streams(robot)}
    groups = [{camera.topic: CAMERA_HZ} for camera in robot.cameras]
    groups.append({**arms, "control/command": COMMAND_HZ})
    context = multiprocessing.get_context("spawn")
    drivers = [
        context.Process(target=_drive, args=(domain, group, kind), daemon=True) for group in groups
    ]
    rclpy.init(domain_id=domain)
    try:
        for driver in drivers:
            driver.start()
        person, topics = Person(), [topic for group in groups for topic in group]
        if not person.wait(lambda: all(map(person.publishers_of, topics)), START_TIMEOUT_S):
            raise QwenVlaError("the drivers did not start")
        yield person
    finally:
        _kill(drivers)
        rclpy.try_shutdown()


@contextmanager
def image_load(cameras: int, domain: int) -> Iterator[None]:
    """Cameras that have nothing to do with the robot, a process each, and one who takes it all."""
    context = multiprocessing.get_context("spawn")
    topics = [f"load/camera_{n}" for n in range(cameras)]
    processes = [
        context.Process(target=_drive_beside, args=(domain, topic), daemon=True)
        for topic in topics
    ]
    processes.append(context.Process(target=_take_beside, args=(domain, topics), daemon=True))
    try:
        for process in processes:
            process.start()
        yield
    finally:
        _kill(processes)


def _kill(processes: Sequence[multiprocessing.Process]) -> None:
    """Those that were started: when one cannot be, its error is what has to be seen."""
    for process in processes:
        if process.pid is not None:
            process.kill()


def _drive_beside(domain: int, topic: str) -> None:
    _use_shared_memory()
    _drive(domain, {topic: CAMERA_HZ}, "raw")


def _take_beside(domain: int, topics: Sequence[str]) -> None:
    _use_shared_memory()
    rclpy.init(domain_id=domain)
    node = rclpy.create_node("viewer")
    for topic in topics:
        node.create_subscription(Image, topic, lambda message: None, RELIABLE)
    rclpy.spin(node)


def _use_shared_memory() -> None:
    """Whatever the robot beside does without it: these images are large."""
    os.environ.pop("FASTRTPS_DEFAULT_PROFILES_FILE", None)
    os.environ.update(localhost_only(os.environ))


def _drive(domain: int, topics: Mapping[str, float], kind: str) -> None:
    """A driver: publishes each topic at its rate, Hz, until it is ended."""
    rclpy.init(domain_id=domain)
    node = rclpy.create_node("driver")
    for topic, rate_hz in topics.items():
        _repeat(node, topic, rate_hz, kind)
    rclpy.spin(node)


def _repeat(node: Node, topic: str, rate_hz: float, kind: str) -> None:
    messages = _images(kind, topic) if rate_hz == CAMERA_HZ else [_joints()]
    publisher = node.create_publisher(type(messages[0]), topic, RELIABLE)
    turn = itertools.cycle(messages)

    def publish() -> None:
        message = next(turn)
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)

    node.create_timer(1.0 / rate_hz, publish)


class Person:
    """Asks for services."""

    def __init__(self) -> None:
        self._node = rclpy.create_node("person")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)

    def wait(self, until: Callable[[], bool], timeout_s: float) -> bool:
        """Whether something is so within the time."""
        end_s = time.monotonic() + timeout_s
        while not (done := until()) and time.monotonic() < end_s:
            self._executor.spin_once(timeout_sec=0.02)
        return done

    def publishers_of(self, topic: str) -> int:
        """How many publishers a topic has."""
        return self._node.count_publishers(topic)

    def call(self, service: str) -> str:
        """What a std_srvs/Trigger answers.

        Raises:
            QwenVlaError: nobody answers, or it is refused.
        """
        client = self._node.create_client(Trigger, service)
        if not self.wait(client.service_is_ready, START_TIMEOUT_S):
            raise QwenVlaError(f"{service}: nobody offers it")
        future = client.call_async(Trigger.Request())
        if not self.wait(future.done, START_TIMEOUT_S):
            raise QwenVlaError(f"{service}: nobody answers")
        if not future.result().success:
            raise QwenVlaError(f"{service}: {future.result().message}")
        return future.result().message


def _images(kind: str, topic: str) -> list[Image | CompressedImage]:
    """A scene with edges and a camera's noise, which is each camera's own."""
    random = np.random.default_rng(zlib.crc32(topic.encode()))
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    messages = []
    for k in range(FRAMES):
        scene = np.stack([columns * 0.4, rows * 0.5, (columns + rows) * 0.2], axis=-1)
        scene[(rows // 40 + columns // 40 + k) % 5 == 0] = (200.0, 60.0, 40.0)
        noisy = scene + random.normal(0.0, NOISE, scene.shape)
        pixels = noisy.clip(0, 255).astype(np.uint8)
        if kind == "jpeg":
            data = simplejpeg.encode_jpeg(pixels, quality=90, colorsubsampling="420")
            messages.append(CompressedImage(format="rgb8; jpeg compressed bgr8"))
        else:
            data = pixels.tobytes()
            messages.append(Image(width=WIDTH, height=HEIGHT, step=WIDTH * 3, encoding="rgb8"))
        messages[-1].data.frombytes(data)
    return messages


def _joints() -> JointState:
    """Number of joints in the joint states of an ALOHA's arm."""
    names = [f"joint_{k}" for k in range(9)]
    return JointState(name=names, position=[0.1] * 9, velocity=[0.0] * 9, effort=[0.0] * 9)
