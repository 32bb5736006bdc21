"""What stands between any command and the hardware."""

from .clearance import Clearance, clearance_of
from .filter import (
    OUTSIDE_SPEED,
    Filtered,
    Motion,
    Rule,
    Verdict,
    limit_positions,
    limit_velocities,
)
from .keep_clear import keep_clear
from .limits import JointLimits
from .measured_pose import MeasuredPose
from .robot_limits import Intersection, RobotLimits, intersect
from .tracking import Tracking, TrackingMonitor, TrackingReport
from .watchdog import Expired, Watchdog

__all__ = [
    "OUTSIDE_SPEED",
    "Clearance",
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
    "clearance_of",
    "intersect",
    "keep_clear",
    "limit_positions",
    "limit_velocities",
]
