"""Nodes that command a robot send and receive by UDP, never through shared memory.

Fast DDS's shared memory transport opens a port for each participant, under a lock between
processes. A process that was killed leaves its port behind; the next one that gets this port
checks it for a second under the lock, and meanwhile everyone who wants to send there waits, with
all that it sends to others: control_node sent no command for up to 2.0 s (measured by ``make
faults``; see also https://github.com/eProsima/Fast-DDS/issues/1144 and 6117). Over UDP nobody
waits for anybody.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import rclpy

from qwen_vla_core.embodiment import Embodiment

from .discovery import LOCALHOST_PROFILE

PROFILES = LOCALHOST_PROFILE.parent

CHOSEN_BY = (
    "FASTRTPS_DEFAULT_PROFILES_FILE",
    "FASTDDS_DEFAULT_PROFILES_FILE",
    "FASTDDS_BUILTIN_TRANSPORTS",
    "ROS_STATIC_PEERS",
    "ROS_DISCOVERY_SERVER",
)
"""Any of these is somebody's own set-up of the network, and stays as it is."""

DATAGRAM_BYTES = 60_000
"""A larger image goes in parts, of which UDP loses some: of 640 x 480, a third arrived."""


RECEIVE_BYTES = 2 * 2**20
"""What the profiles ask for as the buffer of a socket, so that images wait there while a process
has no core; the kernel gives at most ``LARGEST_BUFFER``. With its usual 208 KiB some were lost."""
LARGEST_BUFFER = Path("/proc/sys/net/core/rmem_max")


def leave_shared_memory() -> None:
    """Have this process send and receive by UDP; before its first ``rclpy.init``."""
    os.environ.update(udp_only(rclpy.get_rmw_implementation_identifier(), os.environ))


def simulation_settings(
    robots: Sequence[Embodiment], environment: Mapping[str, str]
) -> dict[str, str]:
    """What to add to the environment of simulated robots' nodes.

    None of them uses shared memory where UDP can carry all images: a process that is killed
    anywhere on this computer would stop the simulated drivers. None for no robots.
    """
    cameras = [camera for robot in robots for camera in robot.cameras]
    large = any(3 * camera.width * camera.height > DATAGRAM_BYTES for camera in cameras)
    if large or not robots or not images_can_wait():
        return {}
    return udp_only(rclpy.get_rmw_implementation_identifier(), environment)


def images_can_wait() -> bool:
    """Whether the kernel grants ``RECEIVE_BYTES``."""
    try:
        return int(LARGEST_BUFFER.read_text()) >= RECEIVE_BYTES
    except (OSError, ValueError):
        return False


def udp_only(rmw: str, environment: Mapping[str, str]) -> dict[str, str]:
    """What to set in the environment of a process so that Fast DDS uses no shared memory.

    Where nodes are to be found on this computer only, rmw_fastrtps adds shared memory whatever the
    profile says. So there the profile says that it is this computer only, and ROS says nothing.

    Args:
        rmw: the ROS middleware; only Fast DDS (rmw_fastrtps) has this transport.
        environment: the present one.
    """
    chosen = {environment.get(name, "") for name in CHOSEN_BY} - {""}
    if "fastrtps" not in rmw or any(not choice.startswith(str(PROFILES)) for choice in chosen):
        return {}
    humble = environment.get("ROS_LOCALHOST_ONLY") == "1"  # Jazzy warns of it, whatever it is
    discovery_range = environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE")
    if humble or discovery_range == "LOCALHOST":
        said_to_ros = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SYSTEM_DEFAULT"}
        if humble:
            said_to_ros["ROS_LOCALHOST_ONLY"] = "0"
        return _profile(LOCALHOST_PROFILE) | said_to_ros
    return {} if discovery_range == "OFF" else _profile(PROFILES / "udp.xml")


def _profile(path: Path) -> dict[str, str]:
    return {"FASTRTPS_DEFAULT_PROFILES_FILE": str(path)}
