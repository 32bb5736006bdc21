"""What each node may do on the network, read from the nodes themselves; and the files that say it.

python test/sros2_policy.py     writes config/sros2/*.policy.xml anew
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from unittest.mock import patch
from xml.etree import ElementTree

import rclpy
from rclpy.lifecycle import TransitionCallbackReturn

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.teleop.gamepad import RECORDINGS
from qwen_vla_ros.estop_topic import TELEOP_ESTOP

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "config" / "sros2"
NODES = (
    "control_node",
    "policy_node",
    "teleop_node",
    "page_node",
    "visualizer_node",
    "recorder_node",
)
RULES = {
    ("topics", "publish"): "get_publisher_names_and_types_by_node",
    ("topics", "subscribe"): "get_subscriber_names_and_types_by_node",
    ("services", "reply"): "get_service_names_and_types_by_node",
    ("services", "request"): "get_client_names_and_types_by_node",
}
PAGES_TOPICS = ("policy/instruction", "teleop/keyboard")
"""What page_node publishes once a person uses it."""
PERSON = "person"
PERSONS_TOPICS = ("estop", "policy/instruction", "policy/question", "teleop/command")
"""What a person, a button or a device says, beside what teleop_node receives of devices; they
listen to all that is published."""
WAIT_S = 30.0


def access_of(robot: Path, domain: int) -> dict:
    """What the nodes of a robot, configured, have on the network; teleop_node with any device.

    Returns:
        {node: {("topics", "publish"): {"control/command", ...}, ...}}
    """
    from qwen_vla_ros.nodes import policy_parameters
    from qwen_vla_ros.nodes.control_node import ControlNode
    from qwen_vla_ros.nodes.page_node import PageNode
    from qwen_vla_ros.nodes.policy_node import PolicyNode
    from qwen_vla_ros.nodes.recorder_node import RecorderNode
    from qwen_vla_ros.nodes.teleop_node import TeleopNode
    from qwen_vla_ros.nodes.visualizer_node import VisualizerNode

    # No weights of the model are needed, and none are shipped for every robot.
    model = SimpleNamespace(warm_up=lambda: 0.1, slow_reason="", close=lambda: None)
    nodes = []
    with (
        patch.object(policy_parameters, "load_policy", lambda *arguments, **options: model),
        TemporaryDirectory() as recordings,
    ):
        parameters = [f"embodiment:={robot}", "page_node:port:=0", f"folder:={recordings}"]
        arguments = [word for one in parameters for word in ("-p", one)]
        rclpy.init(args=["--ros-args", *arguments], domain_id=domain)
        try:
            observer = rclpy.create_node("observer")
            for kind in (
                ControlNode,
                PolicyNode,
                TeleopNode,
                PageNode,
                VisualizerNode,
                RecorderNode,
            ):
                nodes.append(kind())
                assert nodes[-1].trigger_configure() == TransitionCallbackReturn.SUCCESS
            access = _access(nodes, observer)
        finally:
            for node in nodes:  # page_node's server keeps it on the network until it is shut down
                node.trigger_shutdown()
                node.destroy_node()
            rclpy.try_shutdown()
    access["page_node"]["topics", "publish"] |= set(PAGES_TOPICS)
    teleop = access["teleop_node"]
    for device in load_embodiment(robot).teleop.devices:
        teleop["topics", "subscribe"] |= set(device.topics)
    teleop["topics", "publish"].add(TELEOP_ESTOP)  # gamepads and the keyboard
    teleop["services", "request"] |= {name.replace("_", "/") for name in RECORDINGS}
    return access


def _access(nodes, observer):
    """What is found on the network of each node, once it is all that the node has."""
    deadline_s = time.monotonic() + WAIT_S
    while time.monotonic() < deadline_s:
        rclpy.spin_once(observer, timeout_sec=0.1)
        access = {node.get_name(): _seen_by(observer, node.get_name()) for node in nodes}
        missing = set().union(*(_missing(node, access[node.get_name()]) for node in nodes))
        if not missing:
            return access
    raise AssertionError(f"not discovered: {missing}; nodes: {sorted(observer.get_node_names())}")


def _seen_by(observer, name):
    try:
        return {
            rule: {entry[0].lstrip("/") for entry in getattr(observer, method)(name, "/")}
            for rule, method in RULES.items()
        }
    except rclpy._rclpy_pybind11.NodeNameNonExistentError:
        return None


def _missing(node, access) -> set[str]:
    """What the node has, and discovery has not found of it."""
    if access is None:
        return {node.get_name()}
    own = {
        ("topics", "publish"): [publisher.topic_name for publisher in node.publishers],
        ("topics", "subscribe"): [one.topic_name for one in node.subscriptions],
        ("services", "reply"): [service.srv_name for service in node.services],
        ("services", "request"): [client.srv_name for client in node.clients],
    }
    return {
        f"{node.get_name()} {kind} {name}"
        for (what, kind), names in own.items()
        for name in {node.resolve_topic_name(one).lstrip("/") for one in names}
        - access[what, kind]
    }


def allowed_in(path: Path) -> dict:
    """What a policy file allows, as ``access_of``, by enclave."""
    allowed = {}
    for enclave in ElementTree.parse(path).getroot().iter("enclave"):
        rules = {rule: set() for rule in RULES}
        for (kind, how), names in rules.items():
            for entry in enclave.iter(kind):
                if entry.get(how) == "ALLOW":
                    names |= {name.text for name in entry}
        allowed[enclave.get("path").lstrip("/")] = rules
    return allowed


def persons(access: dict) -> dict:
    """What the enclave of persons and devices may do."""
    published = set().union(*(a[("topics", "publish")] for a in access.values()))
    devices = access["teleop_node"]["topics", "subscribe"] - published
    return {
        ("topics", "publish"): {*PERSONS_TOPICS, *devices, "rosout", "parameter_events"},
        ("topics", "subscribe"): published,
        ("services", "request"): set().union(*(a[("services", "reply")] for a in access.values())),
    }


def write(path: Path, access: dict) -> None:
    """Write a policy file."""
    root = ElementTree.Element("policy", version="0.2.0")
    enclaves = ElementTree.SubElement(root, "enclaves")
    for name, rules in {**access, PERSON: persons(access)}.items():
        enclave = ElementTree.SubElement(enclaves, "enclave", path=f"/{name}")
        profiles = ElementTree.SubElement(enclave, "profiles")
        profile = ElementTree.SubElement(profiles, "profile", ns="/", node=name)
        for (kind, how), names in rules.items():
            if names:
                group = ElementTree.SubElement(profile, kind, {how: "ALLOW"})
                for entry in sorted(names):
                    ElementTree.SubElement(group, kind.rstrip("s")).text = entry
    ElementTree.indent(root)
    path.write_text(ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n")


if __name__ == "__main__":
    # Each in a ROS domain of its own: the names of the last robot's nodes live on for a while.
    for domain, robot in enumerate(sorted((ROOT / "embodiments").glob("*.yaml")), start=90):
        write(FOLDER / f"{robot.stem}.policy.xml", access_of(robot, domain))
