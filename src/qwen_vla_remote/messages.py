"""What the frames say: a server's description of itself, requests, answers. Checked on both sides.

A stock openpi client sends ``images`` {camera: uint8 image, either layout}, ``state`` [D] and
``prompt``, and gets ``actions`` [H, D]: joint targets after 1 to H action steps, in the order of
``joint_names`` and in ``joint_units``, which are openpi's (stock_units.py). All other keys are
optional, and a stock peer ignores them.
"""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.prompt import build_prompt
from qwen_vla_core.embodiment.signature import embodiment_signature, with_views
from qwen_vla_core.errors import CheckpointError, RemoteError
from qwen_vla_core.execution import Prefix
from qwen_vla_core.instruction import check_instruction
from qwen_vla_core.observation import resize_view
from qwen_vla_core.observation.empty_scene import INSTRUCTION
from qwen_vla_core.types import Observation

from .stock_units import from_stock, stock_units

PROTOCOL = 1
"""Counted up when a key changes its meaning."""

LONGEST_SIDE = 2048
"""Largest image, pixels. Reducing a larger one would cost everybody else's time."""
USUAL_DEADLINE_S, LONGEST_DEADLINE_S = 5.0, 60.0
"""What a client that names no deadline gets, and the most that one may ask for."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """One request, checked.

    Attributes:
        robot: name of its embodiment.
        observation, prefix: as for ``Policy.infer``.
        deadline_s: seconds after its arrival at which the answer is of no use any more.
        normalised: a client of ours: it counts in rad and m, and is answered with the policy's
            own actions [H, C] instead of joint targets [H, D].
        request_id: goes back with the answer; None for a stock client.
    """

    robot: str
    observation: Observation
    prefix: Prefix | None
    deadline_s: float
    normalised: bool
    request_id: int | None


def describe_server(policy: str, robots: Mapping[str, Embodiment]) -> dict[str, Any]:
    """The metadata that a server sends first."""
    return {
        "protocol": "qwen_vla",
        "versions": {"protocol": PROTOCOL, "qwen_vla_ros": _own_version()},
        "policy": policy,
        "actions": "joint targets in joint_units; with units='normalised' the policy's own",
        "embodiments": {name: _description(robot) for name, robot in robots.items()},
    }


def _description(robot: Embodiment) -> dict[str, Any]:
    return {
        "camera_names": [camera.name for camera in robot.cameras],
        "joint_names": list(robot.joint_names),
        "joint_units": list(stock_units(robot)),
        "prompt_example": build_prompt(robot, INSTRUCTION),
        **embodiment_signature(robot),
    }


def _own_version() -> str:
    try:
        return metadata.version("qwen_vla_ros")
    except metadata.PackageNotFoundError:
        return "unknown"


def check_server(server: object, robot: Embodiment) -> Embodiment:
    """Refuse a server that means something else by its numbers than the robot does.

    Returns:
        The robot with views as large as the server's model sees them.
    Raises:
        RemoteError: it is no server of ours, or of another version.
        CheckpointError: it serves other robots, or this one with something different.
    """
    if not isinstance(server, dict) or server.get("protocol") != "qwen_vla":
        raise RemoteError(
            "it does not say that it is a qwen-vla server (qwen-vla serve); for another's model "
            "name what it speaks, such as backend:=openpi_aloha"
        )
    versions, robots = server.get("versions"), server.get("embodiments")
    if not isinstance(versions, dict) or not isinstance(robots, dict):
        raise RemoteError("its metadata lacks versions or embodiments")
    if versions.get("protocol") != PROTOCOL:
        raise RemoteError(f"its protocol is version {versions.get('protocol')}, not {PROTOCOL}")
    served = robots.get(robot.name)
    if not isinstance(served, dict):
        raise CheckpointError(
            f"it serves {', '.join(sorted(map(str, robots)))} and not {robot.name}; start it "
            f"with --embodiment {robot.name}"
        )
    with suppress(TypeError, KeyError, ValueError):  # cameras that differ are named below
        sizes = [(camera["width"], camera["height"]) for camera in served["cameras"]]
        robot = with_views(robot, sizes)
    for key, value in _description(robot).items():
        if served.get(key) != value:
            raise CheckpointError(
                f"it serves {robot.name} with {key} {served.get(key)}, but the embodiment here "
                f"says {value}; use the same YAML file on both sides"
            )
    return robot


def write_request(
    robot: Embodiment,
    observation: Observation,
    prefix: Prefix | None,
    request_id: int,
    deadline_s: float,
) -> dict[str, Any]:
    """A request of ours. Images travel at the size at which the model sees them."""
    cameras = {camera.name: camera for camera in robot.cameras}
    request = {
        "images": {n: resize_view(i, cameras[n]) for n, i in observation.images.items()},
        "state": np.asarray(observation.positions_D, float),
        "commanded": np.asarray(observation.commanded_D, float),
        "prompt": observation.instruction,
        "embodiment": robot.name,
        "stamp_s": float(observation.stamp_s),
        "deadline_s": float(deadline_s),
        "units": "normalised",
        "request_id": request_id,
    }
    if observation.history:
        request["history"] = {
            name: [resize_view(image, cameras[name]) for image in images]
            for name, images in observation.history.items()
        }
    if prefix is not None:
        actions_NC = prefix.actions_NC.astype(np.float32)
        request["prefix"] = {"actions": actions_NC, "committed": int(prefix.committed)}
    return request


def read_request(
    value: object, robots: Mapping[str, Embodiment], instruction: str | None = None
) -> Request:
    """The request that a frame holds.

    Args:
        instruction: for a request without a prompt, such as those of openpi's ALOHA.
    Raises:
        RemoteError: a key is missing or holds something else; the key is named.
        QwenVlaError: the instruction or the prefix is refused.
    """
    if not isinstance(value, dict):
        raise RemoteError("a request is a map with images, state and prompt")
    name = value.get("embodiment", next(iter(robots)) if len(robots) == 1 else None)
    if not isinstance(name, str) or name not in robots:
        raise RemoteError(f"embodiment {str(name)[:40]!r}: name one of {', '.join(robots)}")
    robot = robots[name]
    joints = len(robot.joint_names)
    state_D = _numbers(value, "state", (joints,))
    images, history = value.get("images"), value.get("history", {})
    if not isinstance(images, dict) or not isinstance(history, dict):
        raise RemoteError("images is no map of camera names to images")
    known = {camera.name for camera in robot.cameras}
    lacking = {c.name for c in robot.cameras if c.name not in images}
    unknown = (set(images) | set(history)) - known
    # More views than are looked at are fine (an ALOHA sends cam_low), but none may be a slip of
    # the pen for one that is not there.
    if lacking and (unknown or not all(c.optional for c in robot.cameras if c.name in lacking)):
        also = f", and has {str(sorted(map(str, unknown)))[:80]}" if unknown else ""
        raise RemoteError(f"images lacks {', '.join(sorted(lacking))}{also}")
    prompt = value.get("prompt", instruction)
    if not isinstance(prompt, str):
        lacking = "" if "prompt" in value else ", and the server was given no --instruction"
        raise RemoteError(f"prompt is no text{lacking}")
    request_id = value.get("request_id")
    if request_id is not None and type(request_id) is not int:
        raise RemoteError("request_id is no whole number")
    commanded_D = _numbers(value, "commanded", (joints,)) if "commanded" in value else state_D
    normalised = value.get("units") == "normalised"
    if not normalised:
        state_D, commanded_D = from_stock(robot, state_D), from_stock(robot, commanded_D)
    observation = Observation(
        stamp_s=_number(value, "stamp_s", 0.0, -math.inf, math.inf),
        images={c: _image(image, c) for c, image in images.items() if c in known},
        history={c: _images(many, c) for c, many in history.items() if c in known},
        positions_D=state_D,
        commanded_D=commanded_D,
        instruction=check_instruction(prompt),
    )
    return Request(
        robot=name,
        observation=observation,
        prefix=_prefix(value.get("prefix"), robot),
        deadline_s=_number(value, "deadline_s", USUAL_DEADLINE_S, 0.0, LONGEST_DEADLINE_S),
        normalised=normalised,
        request_id=request_id,
    )


def read_answer(value: object, robot: Embodiment) -> np.ndarray:
    """The policy's actions in an answer, float32 [H, C] in [-1, 1].

    Raises:
        RemoteError: it holds something else; nothing of it may reach the robot.
    """
    if not isinstance(value, dict):
        raise RemoteError("an answer that is no map")
    shape = (robot.horizon, len(robot.action_channels))
    actions_HC = _numbers(value, "actions", shape).astype(np.float32)
    if np.abs(actions_HC).max() > 1.0:
        raise RemoteError(f"actions reach {np.abs(actions_HC).max():.3g}; they lie in -1 to 1")
    return actions_HC


def _prefix(value: object, robot: Embodiment) -> Prefix | None:
    if value is None:
        return None
    actions = value.get("actions") if isinstance(value, dict) else None
    if not isinstance(actions, np.ndarray) or actions.ndim != 2 or len(actions) > robot.horizon:
        raise RemoteError(f"prefix has no actions of at most {robot.horizon} steps")
    shape = (len(actions), len(robot.action_channels))
    actions_NC = _numbers(value, "actions", shape).astype(np.float32)
    committed = value.get("committed")
    if type(committed) is not int or committed >= robot.horizon:
        raise RemoteError("committed is no number of steps that leaves one to predict")
    return Prefix(actions_NC=actions_NC, committed=committed)


def _numbers(value: Mapping, key: str, shape: tuple[int, ...]) -> np.ndarray:
    """A finite float64 array of this shape; lists of numbers are taken too."""
    found = value.get(key)
    if isinstance(found, list) and all(type(n) in (int, float) for n in found):
        found = np.array(found, float)
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiu":
        raise RemoteError(f"{key} is no array of numbers")
    if found.shape != shape:
        raise RemoteError(f"{key} has shape {found.shape}, not {shape}")
    found = found.astype(float)
    if not np.isfinite(found).all():
        raise RemoteError(f"{key} holds NaN or infinity")
    return found


def _number(value: Mapping, key: str, usual: float, low: float, high: float) -> float:
    found = value.get(key, usual)
    if type(found) not in (int, float) or not (low < found <= high and math.isfinite(found)):
        raise RemoteError(f"{key} is {str(found)[:40]}, not a number above {low} up to {high}")
    return float(found)


def _images(images: object, camera: object) -> tuple[np.ndarray, ...]:
    if not isinstance(images, list):
        raise RemoteError(f"history of {camera} is no list of images")
    return tuple(_image(image, camera) for image in images)


def _image(image: object, camera: object) -> np.ndarray:
    """uint8 RGB [height, width, 3], own memory, from either layout."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3:
        raise RemoteError(f"image of {camera} is no uint8 array of three dimensions")
    if image.shape[2] != 3 and image.shape[0] == 3:  # ALOHA's way in openpi
        image = np.moveaxis(image, 0, 2)
    height, width, colours = image.shape
    if colours != 3 or not 0 < height <= LONGEST_SIDE or not 0 < width <= LONGEST_SIDE:
        raise RemoteError(
            f"image of {camera} has shape {image.shape}, not [height, width, 3] of at most "
            f"{LONGEST_SIDE} pixels"
        )
    return np.array(image, order="C")
