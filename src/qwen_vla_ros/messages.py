"""From core's types to ROS messages, and what only a node receives."""

import numpy as np
from builtin_interfaces.msg import Duration, Time
from nav_msgs.msg import Odometry
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.errors import NonFiniteError
from qwen_vla_core.execution import Sample
from qwen_vla_core.from_messages import NS_PER_S
from qwen_vla_core.observation import match_joints
from qwen_vla_core.types import ActionChunk


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
