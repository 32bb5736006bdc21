"""Each convention's arithmetic: from a group's joints to a model's numbers, and back."""

from collections.abc import Callable

import numpy as np

from qwen_vla_core.embodiment import Group
from qwen_vla_core.embodiment.conventions import EeDeltaCodec
from qwen_vla_core.embodiment.linkage import LINKAGES
from qwen_vla_core.embodiment.rotation import FROM_MATRIX, axis_angle_from_matrix
from qwen_vla_core.embodiment.schema import EeDelta, Gripper
from qwen_vla_core.errors import RemoteError

from .schema import ActionPart, StatePart

ReadState = Callable[[np.ndarray], np.ndarray]
"""Joint positions [D] of a group to the model's numbers."""
TakeActions = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""The model's numbers [H, N], the group's positions [D] as sent and as commanded, to targets
[H, D] after each step."""


def state_of(part: StatePart, group: Group) -> ReadState:
    """What a part of a state is made by.

    Raises:
        RemoteError: the group is of another kind than the part.
    """
    match part.convention:
        case "joint_position":
            signs_D = _signs(part, group)
            return lambda positions_D: positions_D * signs_D
        case "gripper_opening":
            closed_m, open_m = _gripper_ends(part, group)
            closed_N, open_N = np.array(part.closed), np.array(part.open)
            return lambda positions_D: (
                closed_N + (positions_D - closed_m) / (open_m - closed_m) * (open_N - closed_N)
            )
        case "gripper_motor":
            _gripper_ends(part, group)
            linkage, span_rad = LINKAGES[part.linkage], part.one_rad - part.zero_rad
            return lambda positions_D: (
                np.array([linkage.motor_rad(float(positions_D[0])) - part.zero_rad]) / span_rad
            )
    codec = EeDeltaCodec(_with_tool(part, group), 1.0)
    rotation = _axis_ahead if part.rotation == "axis_angle" else FROM_MATRIX[part.rotation]
    origin_3 = np.array(part.origin_m)
    zero = np.array(group.action.kinematics.zero_rotation).T
    axes = zero if part.tool_axes is None else np.array(part.tool_axes)

    def pose_of(positions_D: np.ndarray) -> np.ndarray:
        pose = codec.kinematics.forward(positions_D)
        return np.concatenate([pose[:3, 3] + origin_3, rotation(pose[:3, :3] @ axes)])

    return pose_of


def actions_of(part: ActionPart, group: Group) -> tuple[int, TakeActions]:
    """How many numbers a part of the actions has, and what they mean.

    Raises:
        RemoteError: the group is of another kind than the part.
    """
    joints = len(group.joints)
    match part.convention:
        case "joint_position":
            signs_D = _signs(part, group)
            return joints, lambda values_HN, sent_D, commanded_D: values_HN * signs_D
        case "joint_offset":
            signs_D = _signs(part, group)
            return joints, lambda values_HN, sent_D, commanded_D: sent_D + values_HN * signs_D
        case "joint_velocity":
            _signs(part, group)

            def drive(values_HN, sent_D, commanded_D):
                steps_HD = part.step * np.clip(values_HN, -1.0, 1.0)
                return commanded_D + np.cumsum(steps_HD, axis=0)

            return joints, drive
        case "gripper_opening":
            closed_m, open_m = _gripper_ends(part, group)

            def open_or_close(values_HN, sent_D, commanded_D):
                if part.threshold is not None:
                    low, high = sorted((part.closed, part.open))
                    values_HN = np.where(values_HN > part.threshold, high, low)
                shares_HN = (values_HN - part.closed) / (part.open - part.closed)
                return closed_m + np.clip(shares_HN, 0.0, 1.0) * (open_m - closed_m)

            return 1, open_or_close
    codec = EeDeltaCodec(_with_tool(part, group), 1.0)
    scale_6 = np.array([part.translation_m] * 3 + [part.rotation_rad] * 3)
    return 6, lambda values_HN, sent_D, commanded_D: codec.decode(values_HN * scale_6, commanded_D)


def _axis_ahead(rotation: np.ndarray) -> np.ndarray:
    """Rotation vector in rad whose x is not negative, so that it may be longer than pi."""
    vector = axis_angle_from_matrix(rotation)
    return vector if vector[0] >= 0.0 else vector * (1.0 - 2.0 * np.pi / np.linalg.norm(vector))


def _signs(part, group: Group) -> np.ndarray:
    if isinstance(group.action, Gripper) or group.is_base:
        raise RemoteError(f"{part.convention} of {group.name}, which is no arm")
    signs = getattr(part, "signs", None)
    if signs is None:
        return np.ones(len(group.joints))
    if len(signs) != len(group.joints):
        raise RemoteError(
            f"{len(signs)} signs for {group.name}, which has {len(group.joints)} joints"
        )
    return np.array(signs, float)


def _gripper_ends(part, group: Group) -> tuple[float, float]:
    if not isinstance(group.action, Gripper):
        raise RemoteError(f"{part.convention} of {group.name}, which is no gripper")
    return group.action.closed, group.action.open


def _with_tool(part, group: Group) -> Group:
    """The group, driven by end-effector deltas along the axes of base_link."""
    if not isinstance(group.action, EeDelta):
        raise RemoteError(
            f"{part.convention} of {group.name}, of which the embodiment gives no workspace: "
            "its action has to be ee_delta"
        )
    action = group.action.model_copy(update={"rotation": part.rotation, "frame": None})
    return group.model_copy(update={"action": action})
