"""Between core's types and ROS messages, except images (images.py)."""

import numpy as np
from builtin_interfaces.msg import Duration, Time
from nav_msgs.msg import Odometry
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.errors import ChunkError, NonFiniteError
from qwen_vla_core.execution import Sample
from qwen_vla_core.observation import match_joints
from qwen_vla_core.types import ActionChunk

NS_PER_S = 1_000_000_000

NOT_OURS = "no joint of this robot is named in the messages that come"
"""Of a topic of joint states that has fallen silent but for other publishers."""


def seconds(stamp: Time | Duration) -> float:
    """Seconds of a ROS time or duration; float64 keeps about 0.2 us at today's dates."""
    return stamp.sec + stamp.nanosec / NS_PER_S


def stamp_message(time_s: float) -> Time:
    """A ROS time stamp of ``time_s``, rounded to the nanosecond."""
    total = round(time_s * NS_PER_S)
    return Time(sec=total // NS_PER_S, nanosec=total % NS_PER_S)


def chunk_message(chunk: ActionChunk, joint_names: tuple[str, ...]) -> JointTrajectory:
    """A chunk on the wire: point k is due at ``stamp + k * step``."""
    message = JointTrajectory(joint_names=list(joint_names))
    message.header.stamp = stamp_message(chunk.stamp_s)
    for k, (positions, velocities) in enumerate(
        zip(chunk.positions_TD, chunk.velocities_TD, strict=True)
    ):
        after = round(k * chunk.step_s * NS_PER_S)
        message.points.append(
            JointTrajectoryPoint(
                positions=positions.tolist(),
                velocities=velocities.tolist(),
                time_from_start=Duration(sec=after // NS_PER_S, nanosec=after % NS_PER_S),
            )
        )
    return message


def chunk_from_message(message: JointTrajectory, joint_names: tuple[str, ...]) -> ActionChunk:
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


def joint_state_message(
    stamp_s: float, joint_names: tuple[str, ...], positions_D: np.ndarray, velocities_D: np.ndarray
) -> JointState:
    """Positions and velocities by name."""
    message = JointState(
        name=list(joint_names), position=positions_D.tolist(), velocity=velocities_D.tolist()
    )
    message.header.stamp = stamp_message(stamp_s)
    return message


def teleop_from_message(message: JointState, embodiment: Embodiment) -> Sample:
    """A person's target: positions of the arms' joints; of a base the velocities.

    Raises:
        ObservationError: joints are missing or repeated, or values are. NonFiniteError: one that
            counts is NaN or infinite.
    """
    base_D = np.array(embodiment.base_D)
    positions_D, velocities_D = np.zeros(len(base_D)), np.zeros(len(base_D))
    for values_D, rows, values, what in (
        (positions_D, np.flatnonzero(~base_D), message.position, "positions"),
        (velocities_D, np.flatnonzero(base_D), message.velocity, "velocities"),
    ):
        if len(rows):
            names = [embodiment.joint_names[row] for row in rows]
            values_D[rows] = match_joints(message.name, values, names, what)
    return Sample(positions_D=positions_D, velocities_D=velocities_D)


def estop_in(odometry: Odometry) -> bool:
    """Whether a SLATE base says in its odometry that its emergency stop is pressed.

    Source: interbotix slate_base sets the first pose covariance to -1 in state SYS_ESTOP.
    """
    return odometry.pose.covariance[0] == -1.0


def check_odometry(odometry: Odometry, estop_in_covariance: bool) -> None:
    """Refuse odometry that is not a number; covariances, which many bases leave NaN, are not used.

    Args:
        estop_in_covariance: the base reports its emergency stop in the first one, which counts.

    Raises:
        NonFiniteError: a part of the pose, of the twist, or a covariance that counts is NaN or
            infinite; the message names it.
    """
    pose, twist = odometry.pose.pose, odometry.twist.twist
    parts = {
        "position": (pose.position.x, pose.position.y, pose.position.z),
        "orientation": (
            *(pose.orientation.x, pose.orientation.y),
            *(pose.orientation.z, pose.orientation.w),
        ),
        "linear velocity": (twist.linear.x, twist.linear.y, twist.linear.z),
        "angular velocity": (twist.angular.x, twist.angular.y, twist.angular.z),
    }
    if estop_in_covariance:
        parts["covariance"] = (odometry.pose.covariance[0],)
    bad = [name for name, values in parts.items() if not np.isfinite(values).all()]
    if bad:
        raise NonFiniteError(f"odometry not finite: {', '.join(bad)}")
