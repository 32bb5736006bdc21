"""What the launch files take, and what people write there: checked before any node starts."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from qwen_vla_core.did_you_mean import did_you_mean
from qwen_vla_core.errors import QwenVlaError

TRUE, FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")

OWN_OF_LAUNCH = {
    "emulate_tty",
    "launch-prefix",
    "launch-prefix-filter",
    "log_cmd",
    "ros_namespace",
    "sigkill_timeout",
    "sigterm_timeout",
}
"""Arguments that launch and launch_ros understand in every launch file."""

TYPING_ERROR = 0.85
"""This much alike, two names are one and a typing error: dry_runn is, use_sim_time is not."""


class LaunchArgumentError(QwenVlaError):
    """A launch argument that nobody understands; nothing was started."""


@dataclass(frozen=True, kw_only=True)
class Argument:
    """One launch argument.

    Attributes:
        is_flag: it is true or false.
        allowed: what else than its default may be written, a regular expression; "" for anything.
    """

    default: str
    description: str
    is_flag: bool = False
    allowed: str = ""


ARGUMENTS = {
    "embodiment": Argument(default="", description="name in embodiments/ or path of a YAML file"),
    "checkpoint": Argument(
        default="",
        description="the policy: a folder, owner/model on the hub, or a recorded episode to "
        "replay; empty for the shipped one; 'expert' for the simulator's scripted expert",
    ),
    "policy_url": Argument(
        default="",
        description="ws://host:port or wss://host:port of a policy server, in the place of a "
        "checkpoint",
    ),
    "backend": Argument(
        default="",
        description="format of another's server at policy_url (pi0, for example): a name in "
        "config/backends/, or a YAML file; empty for a policy of ours",
    ),
    "device": Argument(
        default="",
        description="where the model runs: cpu or cuda, cuda:1 for the second GPU; empty for what "
        "config/nodes/policy_node.yaml says",
        allowed=r"cpu|cuda(:\d+)?",
    ),
    "weights": Argument(
        default="",
        description="data type of the weights: float32, bfloat16, float16, int8 or nf4; empty for "
        "what suits the device",
        allowed="float32|bfloat16|float16|int8|nf4",
    ),
    "instruction": Argument(
        default="", description="the task in words; may come later on policy/instruction"
    ),
    "namespace": Argument(
        default="",
        description="ROS namespace of all nodes and topics, one for each robot, such as left or "
        "lab/left",
        allowed=r"/?[A-Za-z_][A-Za-z_0-9]*(/[A-Za-z_][A-Za-z_0-9]*)*/?",
    ),
    "use_sim": Argument(
        default="false",
        description="simulated hardware instead of the robot's drivers",
        is_flag=True,
    ),
    "bringup_hardware": Argument(
        default="false",
        description="start the robot's drivers and cameras as well, as section 'hardware' of its "
        "YAML file says; otherwise they run already",
        is_flag=True,
    ),
    "dry_run": Argument(
        default="false",
        description="compute and show everything, send nothing to the hardware",
        is_flag=True,
    ),
    "teleop": Argument(
        default="",
        description="run teleop_node with this device of the robot's teleop section: joy, leader, "
        "keyboard, twist, clutched_pose; empty for none",
    ),
    "view": Argument(
        default="false",
        description="serve the robot's page to browsers on this machine; its address is printed",
        is_flag=True,
    ),
    "record": Argument(
        default="false",
        description="run recorder_node; record/start, or follow_mode in config/nodes/"
        "recorder_node.yaml, begins an episode",
        is_flag=True,
    ),
    "log_level": Argument(
        default="info",
        description="of all nodes: debug, info, warn, error or fatal",
        allowed="debug|info|warn|error|fatal",
    ),
    "use_rviz": Argument(
        default="true",
        description="run visualizer_node, and RViz where it is installed",
        is_flag=True,
    ),
}


def flag(name: str, text: str) -> bool:
    """What a person means by ``text``: true, 1, yes, on or their opposites, in any case.

    Raises:
        LaunchArgumentError: none of them.
    """
    word = text.strip().lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise LaunchArgumentError(
        f"{name}:={text} is neither true ({', '.join(TRUE)}) nor false ({', '.join(FALSE)})"
        f"{did_you_mean(word, (TRUE[0], FALSE[0]))}"
    )


def refuse_unknown(names: Iterable[str], *, typed_for_us: bool) -> None:
    """Refuse names that are none of ours; launch itself ignores them in silence.

    Args:
        names: of all launch arguments that were given.
        typed_for_us: whether all were given to our launch file. One that includes ours has
            arguments of its own, and only what looks like a typing error is refused.
    Raises:
        LaunchArgumentError: with the name that was probably meant.
    """
    for name in sorted(set(names) - set(ARGUMENTS) - OWN_OF_LAUNCH):
        if typed_for_us or get_close_matches(name.lower(), ARGUMENTS, n=1, cutoff=TYPING_ERROR):
            raise LaunchArgumentError(
                f"unknown launch argument '{name}' (there are: {', '.join(ARGUMENTS)})"
                f"{did_you_mean(name, ARGUMENTS)}"
            )


def read(texts: Mapping[str, str]) -> dict[str, str | bool]:
    """All arguments by name, flags as bool.

    Raises:
        LaunchArgumentError: a flag that is neither true nor false, a value that is not allowed, or
            no embodiment.
    """
    values = {
        name: flag(name, texts[name]) if argument.is_flag else texts[name].strip()
        for name, argument in ARGUMENTS.items()
    }
    for name, value in values.items():
        argument = ARGUMENTS[name]
        if argument.allowed and value != argument.default:
            if not re.fullmatch(argument.allowed, value):
                raise LaunchArgumentError(f"{name}:={value} is not {argument.description}")
    if not values["embodiment"]:
        raise LaunchArgumentError("say which robot: embodiment:=<name or YAML file>")
    return values
