"""The reference of commands, parameters, topics and services is what the code says."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rclpy.lifecycle import TransitionCallbackReturn

from qwen_vla_core.resources import SHIPPED_CHECKPOINT
from qwen_vla_model.policy import QwenVlaPolicy

REPOSITORY = Path(__file__).parents[1]
NODES = {path.stem: path for path in sorted(REPOSITORY.glob("src/qwen_vla_*/node*/*_node.py"))}
PARAMETERS = {
    "policy_node": [f"checkpoint:={SHIPPED_CHECKPOINT}"],
    "teleop_node": ["device:=keyboard"],
}
OF_EVERY_NODE = re.compile(
    r"/(rosout|parameter_events|diagnostics|clock)$|/[a-z_]+_node/(.*parameter|.*_state|"
    r"get_available_|get_transition|transition_event|get_type_description)"
)
"""Of rclpy, of its lifecycle, and what the reference says of all nodes at once."""


def test_when_the_reference_is_written_from_the_code_expect_the_file_that_is_there():
    command = [sys.executable, REPOSITORY / "scripts" / "write_reference.py", "--check"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stderr


@pytest.fixture
def start(ros, monkeypatch, tmp_path):
    """Starts a node of its file's name for a robot, configured and not active."""
    monkeypatch.chdir(tmp_path)  # the recorder makes its folder where it is started
    monkeypatch.setattr(QwenVlaPolicy, "warm_up", lambda policy: 0.01)  # longer than all the rest
    nodes = []

    def start(name, robot):
        parameters = [f"embodiment:={robot}", "autostart:=false", *PARAMETERS.get(name, [])]
        arguments = [word for parameter in parameters for word in ("-p", parameter)]
        ros.try_shutdown()
        ros.init(args=["--ros-args", *arguments])
        parts = NODES[name].relative_to(REPOSITORY / "src").with_suffix("").parts
        kind = "".join(word.capitalize() for word in name.split("_"))
        nodes.append(getattr(importlib.import_module(".".join(parts)), kind)())
        assert nodes[-1].trigger_configure() == TransitionCallbackReturn.SUCCESS
        return nodes[-1]

    yield start
    for node in nodes:
        node.trigger_shutdown()  # or page_node's server would keep it on the network
        node.destroy_node()


@pytest.mark.parametrize("name", NODES)
def test_when_a_node_runs_expect_all_its_topics_and_services_in_the_reference(start, name):
    node = start(name, "mobile_base")
    me = (node.get_name(), node.get_namespace())
    known = (REPOSITORY / "docs" / "reference.md").read_text("utf-8")
    robot = (REPOSITORY / "embodiments" / "mobile_base.yaml").read_text("utf-8")
    found = [
        topic
        for topics in (
            node.get_publisher_names_and_types_by_node(*me),
            node.get_subscriber_names_and_types_by_node(*me),
            node.get_service_names_and_types_by_node(*me),
        )
        for topic, _ in topics
        if not OF_EVERY_NODE.match(topic)
    ]
    assert found
    names = [topic.lstrip("/") for topic in found]
    # `view/plan/<group>` stands for the same of every group.
    patterns = [re.sub(r"<\w+>", "[^/]+", quoted) for quoted in re.findall(r"`([\w/<>]+)`", known)]
    documented = re.compile("|".join(patterns)).fullmatch
    unknown = [n for n in names if not documented(n) and n not in robot]
    assert not unknown, unknown
