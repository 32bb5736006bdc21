"""What a policy and a robot must agree on: channels, horizon, rate, views, normalisation."""

from collections.abc import Sequence
from typing import Any

from .schema import EeDelta, Embodiment, Group


def embodiment_signature(embodiment: Embodiment) -> dict[str, Any]:
    """Everything that gives a policy's numbers a meaning, in JSON's types.

    A checkpoint must share it with the robot it drives, and a policy server with its client.
    """
    groups = embodiment.groups
    return {
        "horizon": embodiment.horizon,
        "action_hz": embodiment.action_hz,
        "prompt_words": embodiment.prompt_words.model_dump(mode="json"),
        "cameras": [
            c.model_dump(
                mode="json",
                include={"tag", "width", "height", "optional", "depth_range_m", "history_steps"},
            )
            for c in embodiment.cameras
        ],
        "conventions": [_convention(embodiment, group) for group in groups],
        "action_channels": list(embodiment.action_channels),
        "action_q01": [q for g in groups for q in g.action_normalization.q01],
        "action_q99": [q for g in groups for q in g.action_normalization.q99],
        "state_channels": list(embodiment.state_channels),
        "state_q01": [
            q for g in groups if g.state_normalization for q in g.state_normalization.q01
        ],
        "state_q99": [
            q for g in groups if g.state_normalization for q in g.state_normalization.q99
        ],
    }


def with_views(embodiment: Embodiment, sizes: Sequence[tuple[int, int]]) -> Embodiment:
    """The robot with views of other sizes for the model.

    Args:
        sizes: (width, height) in pixels of each camera's view.
    Raises:
        ValueError: there are fewer or more than cameras, or a size is none for a view.
    """
    cameras = tuple(
        type(camera).model_validate(camera.model_dump() | {"width": width, "height": height})
        for camera, (width, height) in zip(embodiment.cameras, sizes, strict=True)
    )
    return embodiment.model_copy(update={"cameras": cameras})


def _convention(embodiment: Embodiment, group: Group) -> str:
    """How the model acts on a group, in words; a camera is known by its tag."""
    action = group.action
    if not isinstance(action, EeDelta):
        return action.convention
    tags = {camera.name: camera.tag for camera in embodiment.cameras}
    return f"{action.convention} {action.rotation} {tags.get(action.frame_name, 'base')}"
