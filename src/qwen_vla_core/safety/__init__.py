"""What stands between any command and the hardware."""

from .filter import (
    OUTSIDE_SPEED,
    Filtered,
    Motion,
    Rule,
    Verdict,
    limit_positions,
    limit_velocities,
)
from .limits import JointLimits
from .measured_pose import MeasuredPose
from .robot_limits import Intersection, RobotLimits, intersect
from .tracking import Tracking, TrackingMonitor, TrackingReport
from .watchdog import Expired, Watchdog

__all__ = [
    "OUTSIDE_SPEED",
    "Expired",
    "Filtered",
    "Intersection",
    "JointLimits",
    "MeasuredPose",
    "Motion",
    "RobotLimits",
    "Rule",
    "Tracking",
    "TrackingMonitor",
    "TrackingReport",
    "Verdict",
    "Watchdog",
    "intersect",
    "limit_positions",
    "limit_velocities",
]
