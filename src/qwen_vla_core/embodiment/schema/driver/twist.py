"""A mobile base that is driven by velocities."""

from typing import ClassVar, Literal

from ..values import Name, Positive, Topic
from .base import DriverDescription


class TwistBase(DriverDescription):
    """A differential-drive base that takes velocities and answers with odometry."""

    carries: ClassVar = frozenset({"base_waypoints", "base_velocity"})
    type: Literal["twist"]
    topic: Topic
    stamped: bool
    """TwistStamped instead of Twist. It is what diff_drive_controller takes since Jazzy (its clock
    has to agree with ours within its time-out) and what Nav2's nodes take by default since Kilted;
    SLATE, most micro-ROS bases and Humble's Nav2 take Twist."""
    frame_id: Name = "base_link"
    """In the header of a TwistStamped."""
    odometry_topic: Topic
    estop_in_covariance: bool = False
    """Whether an odometry message whose first pose covariance is -1 means that the emergency stop
    of the base is pressed (Trossen's SLATE)."""
    footprint_m: tuple[Positive, Positive] | None = None
    """Length and width, around base_link; null draws the way without the body. Only what draws the
    robot uses it."""
