"""What of a robot's arms may not come near what: their links as capsules, and the table."""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from ...yaml_file import Strict
from .values import Name, Positive, Vector3

BASE_LINK = "base_link"
"""The link that no joint of the arm moves."""


class Capsule(Strict):
    """A rod with round ends around a part of one link, in the link's frame."""

    name: Annotated[str, Field(min_length=1)]
    """What people call this part of the arm; several capsules may be one part."""
    link: Name
    """``base_link``, or the hardware name of the joint that moves it."""
    from_m: Vector3
    to_m: Vector3
    radius_m: Positive
    kind: Literal["link", "hand", "fingers"] = "link"
    """``hand``: two hands may come up to each other. ``fingers``: they may touch the table's
    surface, and anything of another arm's hand, as when one hands something over."""


class ArmShape(Strict):
    """The capsules of one arm, or of several that are built alike."""

    groups: Annotated[tuple[Name, ...], Field(min_length=1)]
    capsules: Annotated[tuple[Capsule, ...], Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]
    """Where the sizes come from."""


class Collision(Strict):
    """What is kept apart while anything commands the robot."""

    margin_m: Positive
    """Kept between links, and between them and the table."""
    table_z_m: FiniteFloat | None
    """Height of the surface that the arms stand before, in the frame of ``mount_m``; null where
    there is none."""
    arms: Annotated[tuple[ArmShape, ...], Field(min_length=1)]
