"""ALOHA's older files: one HDF5 file an episode, without names, times or instruction.

As record_episodes.py of tonyzhaozh/aloha and Interbotix/aloha writes them: ``observations/qpos``
[T, 14] and ``action`` [T, 14], both left arm, left gripper, right arm, right gripper, grippers
0 closed to 1 open; ``observations/images/<camera>``, images [T, H, W, 3] or padded JPEG files
[T, bytes]. ``action`` is where the followers were sent from step t on. What a Mobile ALOHA's base
did (``base_action``) is left out.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import h5py
import numpy as np

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec
from qwen_vla_core.embodiment.schema import Gripper, JointPosition
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.observation import resize_view

from .episode import Episode
from .images import encode_png
from .plans import commands_of

RATE_HZ = 50.0
"""ALOHA's DT is 0.02 s; the files do not say it."""
CHANNELS = 14


def read_aloha_hdf5(
    path: Path, codec: EmbodimentCodec, instruction: str, *, bgr: bool = False
) -> Episode:
    """One file as an episode, images at the size at which the model sees them.

    Args:
        instruction: what was done; the files do not say it.
        bgr: the images' first colour is blue. ALOHA's own scripts take it for red.
    Raises:
        QwenVlaError: it is no such file or damaged, the robot is no ALOHA, or a camera is missing.
    """
    robot = codec.embodiment
    _check_fits(robot)
    every = round(RATE_HZ / robot.action_hz)
    try:
        with h5py.File(path, "r") as file:
            if "observations/qpos" not in file or "action" not in file:
                raise QwenVlaError(
                    f"{path} is no episode of an ALOHA: no observations/qpos, action"
                )
            states_TS, actions_TC = (file[key][()] for key in ("observations/qpos", "action"))
            if states_TS.shape != actions_TC.shape or states_TS.shape[1:] != (CHANNELS,):
                raise QwenVlaError(
                    f"{path}: qpos {states_TS.shape} and action {actions_TC.shape} are not both "
                    f"[T, {CHANNELS}]"
                )
            images = {}
            for camera in robot.cameras:
                key = f"observations/images/{camera.name}"
                if key in file:
                    images[camera.name] = tuple(
                        encode_png(resize_view(image, camera))
                        for image in _images(path, file[key], every, bgr)
                    )
                elif not camera.optional:
                    there = ", ".join(file.get("observations/images", {})) or "none"
                    raise QwenVlaError(f"{path} has no camera {camera.name}; it has {there}")
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise QwenVlaError(f"{path}: no such file") from error
        raise QwenVlaError(f"{path} is damaged, or no HDF5 file: {error}") from error
    near_D = np.array(robot.start_D)
    positions_TD = np.stack([codec.positions(state_S, near_D) for state_S in states_TS])
    commanded_TD = commands_of(actions_TC, positions_TD[0], robot, 1.0 / RATE_HZ)
    return Episode(
        embodiment=robot.name,
        stride=1,
        instructions=(instruction,),
        images=images,
        states_TS=states_TS[::every].astype(np.float32),
        commanded_TD=commanded_TD[::every].astype(np.float32),
        positions_TD=positions_TD[::every],
    )


def _check_fits(robot: Embodiment) -> None:
    """Refuse a robot whose channels are not ALOHA's 14, or whose steps are not among its own."""
    kinds = [group.action for group in robot.groups for _ in group.state_channels]
    grippers = [place for place, kind in enumerate(kinds) if isinstance(kind, Gripper)]
    plain = all(isinstance(kind, Gripper | JointPosition) for kind in kinds)
    if not plain or len(robot.action_channels) != CHANNELS or grippers != [6, 13]:
        raise QwenVlaError(
            f"{robot.name} has {', '.join(robot.state_channels)}; files of an ALOHA hold two arms "
            "of six joint positions and a gripper each, left before right"
        )
    if RATE_HZ % robot.action_hz:
        raise QwenVlaError(
            f"{robot.name} acts at {robot.action_hz:g} Hz, of which ALOHA's {RATE_HZ:g} Hz are no "
            "whole multiple"
        )


def _images(path: Path, stored: h5py.Dataset, every: int, bgr: bool) -> Iterator[np.ndarray]:
    """uint8 RGB [H, W, 3], one after the other."""
    for t in range(0, len(stored), every):
        image = stored[t]
        if image.ndim == 1:
            image = cv2.imdecode(image, cv2.IMREAD_COLOR)  # in the order in which it was encoded
            if image is None:
                raise QwenVlaError(f"{path}: image {t} of {stored.name} is damaged")
        yield np.ascontiguousarray(image[..., ::-1]) if bgr else image
