"""What the arguments of a launch ask for together, and what is refused before a node starts."""

import pytest

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.resources import SHIPPED_CHECKPOINT
from qwen_vla_ros.launching.arguments import ARGUMENTS, read
from qwen_vla_ros.launching.request import understand
from robots import stranger

URL = "ws://gpu-machine:8000/policy"


def request_of(embodiment="widowx", **arguments):
    texts = {name: argument.default for name, argument in ARGUMENTS.items()}
    return understand(read(texts | {"embodiment": embodiment} | arguments))


def parameters_of(request, node):
    (found,) = [one for one in request.nodes if one.name == node]
    return found.parameters


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            {"checkpoint": "runs/x", "policy_url": URL},
            "checkpoint .* and policy_url .* both given",
        ),
        ({"checkpoint": "expert", "policy_url": URL, "use_sim": "1"}, "are both given"),
        ({"checkpoint": URL}, "is the address of a server: give it as policy_url"),
        ({"policy_url": "gpu-machine:8000"}, "policy_url gpu-machine:8000 is no address such as"),
        ({"policy_url": URL, "device": "cuda"}, "device:=cuda .* ws://.* has none: leave it out"),
        ({"policy_url": URL, "weights": "int8"}, "weights:=int8 .* has none"),
        ({"checkpoint": "hold", "device": "cpu"}, "device:=cpu .* hold has none"),
        ({"checkpoint": "expert", "use_sim": "1", "weights": "nf4"}, "the expert has none"),
        ({"checkpoint": "expert"}, "simulated robots only: add use_sim:=true"),
        ({"backend": "openpi_aloha"}, "name the server, for example policy_url:=ws"),
        ({"policy_url": URL, "backend": "openpi_aloha"}, "openpi_aloha does not fit widowx"),
        ({"teleop": "keybord"}, "no teleop device 'keybord' .*did you mean keyboard"),
        ({"instruction": "x" * 10_000}, "instruction"),
    ],
)
def test_when_arguments_do_not_fit_each_other_or_the_robot_expect_refusal_in_words(
    arguments, reason
):
    with pytest.raises(QwenVlaError, match=reason):
        request_of(**arguments)


def test_when_the_shipped_weights_do_not_know_the_robot_expect_refusal_in_words(tmp_path):
    with pytest.raises(QwenVlaError, match="not trained for stranger"):
        request_of(str(stranger(tmp_path)))


def test_when_nothing_but_the_robot_is_named_expect_the_shipped_weights():
    policy = parameters_of(request_of(), "policy_node")
    assert policy["checkpoint"] == str(SHIPPED_CHECKPOINT) and "policy_url" not in policy


def test_when_a_server_is_named_expect_policy_node_to_be_its_client_and_recordings_to_name_it():
    request = request_of(policy_url=URL, record="yes")
    policy = parameters_of(request, "policy_node")
    assert policy["policy_url"] == URL and "checkpoint" not in policy
    assert parameters_of(request, "recorder_node")["checkpoint"] == URL


def test_when_everything_is_asked_for_expect_a_node_for_each_with_what_was_written():
    request = request_of(
        use_sim="1",
        dry_run="TRUE",
        record="yes",
        view="on",
        use_rviz="true",
        teleop="keyboard",
        namespace="/lab/left/",
        instruction="pick up the red block",
        log_level="debug",
        device="cpu",
        weights="float32",
    )
    assert request.robot.name == "widowx"
    assert [node.name for node in request.nodes] == [
        "sim_node",
        "control_node",
        "policy_node",
        "teleop_node",
        "page_node",
        "visualizer_node",
        "recorder_node",
    ]
    assert {(node.namespace, node.log_level) for node in request.nodes} == {("lab/left", "debug")}
    assert parameters_of(request, "control_node")["dry_run"] is True
    policy = parameters_of(request, "policy_node")
    assert (policy["device"], policy["weights"]) == ("cpu", "float32")
    assert policy["instruction"] == "pick up the red block"
