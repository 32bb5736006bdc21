"""From ROS messages to core's types, by the messages' fields.

Whoever decoded a message: rclpy on the robot, rosbags from a recording. So both become the same
numbers by the same functions.
"""

from typing import Any

import numpy as np

from .errors import ChunkError
from .types import ActionChunk

NS_PER_S = 1_000_000_000

NOT_OURS = "no joint of this robot is named in the messages that come"
"""Said of a joint state topic on which only other publishers are still received."""


def seconds(stamp: Any) -> float:
    """Seconds of a ROS time or duration; float64 keeps about 0.2 us at today's dates."""
    return stamp.sec + stamp.nanosec / NS_PER_S


def chunk_from_message(message: Any, joint_names: tuple[str, ...]) -> ActionChunk:
    """A chunk from the wire, joints put into the order of ``joint_names``.

    Raises:
        ChunkError: joints are missing, repeated or unknown; points are missing, incomplete or not
            evenly spaced from zero.
    """
    if sorted(message.joint_names) != sorted(joint_names):
        raise ChunkError(
            f"chunk has joints {message.joint_names}; this robot has {list(joint_names)}"
        )
    if len(message.points) < 2:
        raise ChunkError(f"chunk has {len(message.points)} points; at least two are needed")
    count = len(joint_names)
    for k, point in enumerate(message.points):
        if len(point.positions) != count or len(point.velocities) != count:
            raise ChunkError(
                f"chunk point {k} has {len(point.positions)} positions and "
                f"{len(point.velocities)} velocities for {count} joints"
            )
    times_T = np.array([seconds(point.time_from_start) for point in message.points])
    step_s = float(times_T[1])
    uneven_T = ~np.isclose(times_T, np.arange(len(times_T)) * step_s, rtol=0.0, atol=1e-6)
    if step_s <= 0.0 or uneven_T.any():
        k = int(np.argmax(uneven_T))
        raise ChunkError(
            f"chunk points are not evenly spaced from zero: point 1 is due after {step_s:g} s, "
            f"point {k} after {times_T[k]:g} s"
        )
    order = [message.joint_names.index(name) for name in joint_names]
    return ActionChunk(
        stamp_s=seconds(message.header.stamp),
        step_s=step_s,
        positions_TD=np.array([point.positions for point in message.points])[:, order],
        velocities_TD=np.array([point.velocities for point in message.points])[:, order],
    )


def pose_of(odometry: Any) -> np.ndarray:
    """x m, y m and yaw rad in the odometry's frame, float64 [3]."""
    pose = odometry.pose.pose
    q = pose.orientation
    yaw = np.arctan2(2.0 * (q.w * q.z + q.x * q.y), 1.0 - 2.0 * (q.y * q.y + q.z * q.z))
    return np.array([pose.position.x, pose.position.y, yaw])


def velocity_of(odometry: Any) -> np.ndarray:
    """Velocity along the base's own axes, m/s, and turning, rad/s, float64 [3]."""
    twist = odometry.twist.twist
    return np.array([twist.linear.x, twist.linear.y, twist.angular.z])
