"""Who on the network finds the nodes, and so can command the robot: ROS asks for no password.

Jazzy and later: ROS_AUTOMATIC_DISCOVERY_RANGE; Humble: ROS_LOCALHOST_ONLY.
"""

from collections.abc import Mapping
from pathlib import Path

LOCALHOST_PROFILE = Path(__file__).parent / "fast_dds" / "udp_localhost.xml"
"""Of Fast DDS: nodes are found on this computer only, whatever ROS's own variables say."""

CHOSEN_BY = (
    "ROS_AUTOMATIC_DISCOVERY_RANGE",
    "ROS_LOCALHOST_ONLY",
    "ROS_STATIC_PEERS",
    "ROS_DISCOVERY_SERVER",
)
"""Any of these in the environment is a choice that somebody made."""


def localhost_only(environment: Mapping[str, str]) -> dict[str, str]:
    """What to set so that nodes are found on this computer only."""
    if environment.get("ROS_DISTRO") == "humble":
        return {"ROS_LOCALHOST_ONLY": "1"}
    return {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


def discovery_settings(use_sim: bool, environment: Mapping[str, str]) -> dict[str, str]:
    """What to add to the environment of the nodes: a simulation stays on this computer.

    Args:
        use_sim: whether the robot is simulated; a real one is left as ROS is set up.
        environment: the present one; what somebody chose there stays.
    """
    if not use_sim or any(environment.get(name) for name in CHOSEN_BY):
        return {}
    return localhost_only(environment)


def who_can_command(environment: Mapping[str, str]) -> str:
    """One sentence for the person who starts a real robot."""
    domain = environment.get("ROS_DOMAIN_ID") or "0"
    if (
        environment.get("ROS_SECURITY_ENABLE") == "true"
        and environment.get("ROS_SECURITY_STRATEGY") == "Enforce"
    ):
        return f"ROS domain {domain} with SROS2 enforced: only nodes with a key can command."
    jazzy_default = "SUBNET" if environment.get("ROS_DISTRO") != "humble" else ""
    found = environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE") or jazzy_default
    profile = environment.get("FASTRTPS_DEFAULT_PROFILES_FILE")
    if (
        found in ("LOCALHOST", "OFF")
        or environment.get("ROS_LOCALHOST_ONLY") == "1"
        or profile == str(LOCALHOST_PROFILE)
    ):
        return f"ROS domain {domain}, this computer only: every program on it can command."
    return (
        f"ROS domain {domain}, discovery range {found or 'SUBNET'}: everyone on this network can "
        "command this robot and release its e-stop. Give it a network of its own, or set "
        "ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST (Humble: ROS_LOCALHOST_ONLY=1) where everything "
        "runs on this computer, or see config/sros2."
    )
