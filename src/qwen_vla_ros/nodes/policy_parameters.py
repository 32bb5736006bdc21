"""The parameters of policy_node, and the policy that they name."""

from collections.abc import Sequence

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.execution.policy_loop import check_replan_steps
from qwen_vla_core.instruction import check_instruction
from qwen_vla_core.policy import Policy
from qwen_vla_core.resources import SHIPPED_CHECKPOINT

from ..load_policy import load_policy, name_policy
from .lifecycle import EmbodimentNode
from .parameters import declare_integer, declare_number, read_only


def declare_policy_parameters(node: Node) -> None:
    """Declare all that policy_node has beside what every node has."""
    for name, default, description in (
        (
            "checkpoint",
            "",
            "the policy: a folder, owner/model on the hub, a recorded episode to replay, or hold; "
            "empty for the shipped one",
        ),
        (
            "policy_url",
            "",
            "ws://host:port or wss://host:port of a policy server, in the place of a checkpoint",
        ),
        (
            "backend",
            "",
            "format of another's server: a name in config/backends/, or a YAML file; empty for "
            "a server of ours",
        ),
        ("device", "cpu", "torch device: cpu or cuda"),
        (
            "weights",
            "",
            "data type of the weights: float32, bfloat16, float16, int8 or nf4; empty for "
            "bfloat16 on a GPU and float32 elsewhere",
        ),
        (
            "compile",
            False,
            "on a GPU let torch.compile fuse the passes: minutes at the start, quicker afterwards",
        ),
        ("instruction", "", "the task in words; policy/instruction replaces it"),
    ):
        node.declare_parameter(name, default, read_only(description))
    declare_integer(
        node,
        "torch_threads",
        1,
        "CPU threads of the model; more only help where nothing else runs",
        (1, 256),
        read_only=True,
    )
    declare_integer(
        node,
        "replan_steps",
        0,
        "action steps from one observation to the next; 0: a quarter chunk",
        (0, 1024),
    )
    declare_number(
        node,
        "inference_deadline_s",
        1.0,
        "an inference that takes longer is reported as hanging; an answer of a server is given up",
        (0.05, 60.0),
    )
    declare_number(
        node,
        "done_confidence",
        0.0,
        "above 0, policy/done says with each chunk how likely the instruction is done; at this or "
        "more, three times in a row in AUTONOMY, the robot is asked to hold; 1: never asked",
        (0.0, 1.0),
    )


def check_policy_parameters(
    embodiment: Embodiment | None, parameters: Sequence[Parameter]
) -> SetParametersResult:
    """Refuse values that do not fit the embodiment, once there is one."""
    for parameter in parameters:
        if parameter.name == "replan_steps" and embodiment is not None:
            try:
                check_replan_steps(embodiment, parameter.value)
            except QwenVlaError as error:
                return SetParametersResult(successful=False, reason=str(error))
    return SetParametersResult(successful=True)


def load_named_policy(node: EmbodimentNode, embodiment: Embodiment) -> tuple[str, Policy]:
    """Its name, as ``load_policy`` takes it, and the policy.

    Raises:
        QwenVlaError: as ``load_policy``; or another parameter does not fit, said before anything
            is loaded.
    """
    check_replan_steps(embodiment, node.get_parameter("replan_steps").value)
    if instruction := node.text("instruction"):
        check_instruction(instruction)
    named = name_policy(node.text("checkpoint"), node.text("policy_url")) or str(
        SHIPPED_CHECKPOINT
    )
    return named, load_policy(
        named,
        embodiment,
        backend=node.text("backend"),
        device=node.text("device"),
        weights=node.text("weights") or None,
        threads=node.get_parameter("torch_threads").value,
        deadline_s=node.get_parameter("inference_deadline_s").value,
        compiled=node.get_parameter("compile").value,
    )
