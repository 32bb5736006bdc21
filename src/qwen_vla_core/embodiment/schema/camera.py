"""Cameras: where images come from and how the model sees them."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ...yaml_file import Strict, WrongKey
from .values import Name, Positive, Topic

ViewTag = Literal[
    "ego",
    "cam_left_wrist",
    "cam_right_wrist",
    "ego_depth",
    "cam_left_wrist_depth",
    "cam_right_wrist_depth",
]
"""The first three are the paper's; a depth view has a tag of its own."""
DEPTH_TAG_END = "_depth"
LONGEST_HISTORY_S = 5.0
"""Seconds of images kept in memory, about 30 MB a second for one camera."""


class Camera(Strict):
    """One camera: where its images come from and how the model sees them."""

    name: Name
    topic: Topic
    tag: ViewTag
    width: Annotated[int, Field(ge=16, le=1024)]
    """Width of the model's view, pixels; the topic may carry any size."""
    height: Annotated[int, Field(ge=16, le=1024)]
    max_age_s: Positive
    optional: bool = False
    depth_range_m: tuple[Positive, Positive] | None = None
    """Nearest and farthest distance that the colours of a depth view tell apart; null for a
    colour camera."""
    history_steps: tuple[Annotated[int, Field(ge=1, le=64)], ...] = ()
    """Past images that the model sees before the newest one: how many action steps before it
    each was taken, rising."""

    @property
    def is_depth(self) -> bool:
        return self.depth_range_m is not None

    @property
    def is_compressed(self) -> bool:
        """Whether its topic carries CompressedImage, by the end of the topic's name."""
        return self.topic.endswith("/compressedDepth" if self.is_depth else "/compressed")

    @property
    def frames(self) -> tuple[int, ...]:
        """Action steps before the newest image, for each of its images, oldest first."""
        return (*reversed(self.history_steps), 0)

    def history_s(self, action_hz: float) -> tuple[float, ...]:
        """How long before the newest each past image was taken, s."""
        return tuple(steps / action_hz for steps in self.history_steps)

    @model_validator(mode="after")
    def _consistent(self) -> "Camera":
        if self.is_depth != self.tag.endswith(DEPTH_TAG_END):
            raise WrongKey(
                "tag",
                f"{self.tag} and depth_range_m {_shown(self.depth_range_m)} disagree: a depth "
                f"camera has a depth_range_m and a tag that ends with {DEPTH_TAG_END}, and no "
                "other has",
            )
        if self.depth_range_m is not None and self.depth_range_m[0] >= self.depth_range_m[1]:
            raise WrongKey("depth_range_m", f"{_shown(self.depth_range_m)} does not rise")
        if any(a >= b for a, b in pairwise(self.history_steps)):
            raise WrongKey("history_steps", f"{list(self.history_steps)} do not rise")
        return self


def _shown(depth_range_m: tuple[float, float] | None) -> str:
    """As the file has it."""
    return "null" if depth_range_m is None else str(list(depth_range_m))
