"""Which nodes run with which parameters for an embodiment: the one description of it.

The launch files turn it into launch actions and the `qwen-vla` command into processes, so that
the two cannot drift apart.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from qwen_vla_core.did_you_mean import did_you_mean
from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.resources import share_directory

from .load_policy import has_weights, is_ours, is_server

Value = bool | int | float | str


@dataclass(frozen=True, kw_only=True)
class NodeDescription:
    """One node to run.

    Attributes:
        name: name of the node and of its executable in lib/qwen_vla_ros.
        module: Python module with the same entry point, for running without an install.
        parameters: ROS parameters that differ from the file's.
        parameter_file: parameters of the node in config/.
        namespace: ROS namespace; empty for none.
        log_level: debug, info, warn, error or fatal.
    """

    name: str
    module: str
    parameters: Mapping[str, Value]
    parameter_file: Path
    namespace: str = ""
    log_level: str = "info"

    @property
    def enclave(self) -> str:
        """Where SROS2 looks for the node's key; without SROS2 it means nothing."""
        return f"/{self.namespace}/{self.name}" if self.namespace else f"/{self.name}"

    @property
    def ros_arguments(self) -> list[str]:
        """What stands behind ``--ros-args`` beside names and parameters."""
        logger = ".".join(filter(None, [self.namespace.replace("/", "."), self.name]))
        return ["--enclave", self.enclave, "--log-level", f"{logger}:={self.log_level}"]

    def command(self) -> list[str]:
        """The command line that runs the node with the current interpreter."""
        command = [sys.executable, "-m", self.module, "--ros-args", "-r", f"__node:={self.name}"]
        if self.namespace:
            command += ["-r", f"__ns:=/{self.namespace}"]
        command += [*self.ros_arguments, "--params-file", str(self.parameter_file)]
        for key, value in self.parameters.items():
            command += ["-p", f"{key}:={json.dumps(value)}"]
        return command


class BringupError(QwenVlaError):
    """The nodes cannot run as requested; nothing was started."""


def check_policy(
    embodiment: Embodiment,
    checkpoint: str | None,
    use_sim: bool,
    *,
    device: str = "",
    weights: str = "",
) -> None:
    """Refuse at once what a node would refuse after it has started, or would not heed.

    Args:
        embodiment: the robot.
        checkpoint: as for ``describe_bringup``. What is on the hub is left to policy_node.
        use_sim: whether the robot is simulated.
        device, weights: as for ``describe_bringup``.
    Raises:
        BringupError: the simulator has no such robot, the expert is to drive a real one,
            the checkpoint was not trained for the robot, or a device or data type was named for a
            policy that loads no weights here.
    """
    name = embodiment.name
    if use_sim and embodiment.simulated_world is None:
        raise BringupError(f"{name} cannot be simulated: its simulated_world is null")
    if (device or weights) and (checkpoint is None or not has_weights(checkpoint)):
        named = f"device:={device}" if device else f"weights:={weights}"
        raise BringupError(
            f"{named} says how weights are loaded, and {checkpoint or 'the expert'} has none: "
            "leave it out (of a server it is an argument of `qwen-vla serve`)"
        )
    if checkpoint is None:
        if not use_sim:
            raise BringupError(
                "the scripted expert drives simulated robots only: add use_sim:=true, or name a "
                "checkpoint"
            )
        return
    if not Path(checkpoint).is_dir() or not is_ours(checkpoint):
        return
    try:
        robots = json.loads((Path(checkpoint) / "embodiments.json").read_text())
    except (OSError, ValueError) as error:
        raise BringupError(f"{checkpoint} is no checkpoint of a policy: {error}") from error
    if name not in robots:
        expert = ", or checkpoint:=expert use_sim:=true for the simulator's scripted expert"
        raise BringupError(
            f"{checkpoint}: not trained for {name}, only for {', '.join(sorted(robots))}; name "
            "another with checkpoint:=, or checkpoint:=hold to teleoperate and record without one"
            f"{expert if embodiment.simulated_world else ''}"
        )


def check_teleop(embodiment: Embodiment, device: str) -> None:
    """Refuse a device that the robot's teleop section does not have; empty is none.

    Raises:
        BringupError: with the devices that there are.
    """
    types = embodiment.teleop.types if embodiment.teleop is not None else ()
    if device and device not in types:
        raise BringupError(
            f"{embodiment.name} has no teleop device '{device}' (there are: "
            f"{', '.join(types) or 'none'}){did_you_mean(device, types)}"
        )


def describe_bringup(
    *,
    embodiment: str,
    checkpoint: str | None,
    backend: str = "",
    device: str = "",
    weights: str | None = None,
    instruction: str = "",
    use_sim: bool = False,
    dry_run: bool = False,
    namespace: str = "",
    teleop: str = "",
    view: bool = False,
    rviz: bool = False,
    record: bool = False,
    log_level: str = "info",
) -> tuple[NodeDescription, ...]:
    """The nodes for one embodiment.

    Args:
        embodiment: path of its YAML file.
        checkpoint: the policy as ``load_policy`` takes it, a server's address as well; None for
            the simulator's scripted expert in the place of policy_node.
        backend: format of another's server, as for ``load_policy``; empty for a policy of ours.
        device: torch device of the policy; empty for what the parameter file says.
        weights: their data type; None for what the parameter file says.
        instruction: the task in words; may come later on policy/instruction.
        use_sim: run the simulated hardware instead of the robot's drivers.
        dry_run: compute and show everything, send nothing to the hardware.
        namespace: ROS namespace of all nodes, so that several robots share a network.
        teleop: type of the device with which a person may move the robot; empty for no
            teleop_node.
        view: serve the robot's page to browsers on this machine.
        rviz: publish what RViz shows (visualizer_node).
        record: run recorder_node, which records when a person asks for it.
        log_level: of all nodes: debug, info, warn, error or fatal.
    """
    config = share_directory() / "config" / "nodes"
    nodes = [
        NodeDescription(
            name="control_node",
            module="qwen_vla_ros.nodes.control_node",
            parameters={"embodiment": embodiment, "dry_run": dry_run, "simulated": use_sim},
            parameter_file=config / "control_node.yaml",
        ),
    ]
    if checkpoint is not None:
        nodes.append(
            NodeDescription(
                name="policy_node",
                module="qwen_vla_ros.nodes.policy_node",
                parameters={
                    "embodiment": embodiment,
                    "policy_url" if is_server(checkpoint) else "checkpoint": checkpoint,
                    "backend": backend,
                    "instruction": instruction,
                    "simulated": use_sim,
                    **({"device": device} if device else {}),
                    **({"weights": weights} if weights else {}),
                },
                parameter_file=config / "policy_node.yaml",
            )
        )
    if teleop:
        nodes.append(
            NodeDescription(
                name="teleop_node",
                module="qwen_vla_ros.nodes.teleop_node",
                parameters={"embodiment": embodiment, "device": teleop, "dry_run": dry_run},
                parameter_file=config / "teleop_node.yaml",
            )
        )
    if view:
        nodes.append(describe_page(embodiment=embodiment, simulated=use_sim))
    if rviz:
        nodes.append(
            NodeDescription(
                name="visualizer_node",
                module="qwen_vla_ros.nodes.visualizer_node",
                parameters={"embodiment": embodiment, "simulated": use_sim},
                parameter_file=config / "visualizer_node.yaml",
            )
        )
    if record:
        recorder = describe_recorder(
            embodiment=embodiment,
            checkpoint=checkpoint or "",
            instruction=instruction,
            simulated=use_sim,
        )
        nodes.append(recorder)
    if use_sim:
        nodes.insert(
            0,
            NodeDescription(
                name="sim_node",
                module="qwen_vla_sim.node",
                parameters={
                    "embodiment": embodiment,
                    **({"expert": True, "instruction": instruction} if checkpoint is None else {}),
                },
                parameter_file=config / "sim_node.yaml",
            ),
        )
    of_all = {"namespace": namespace.strip("/"), "log_level": log_level}
    return tuple(replace(node, **of_all) for node in nodes)


def describe_page(
    *, embodiment: str, simulated: bool, namespace: str = "", **parameters: Value
) -> NodeDescription:
    """The node that serves a robot's page.

    Args:
        embodiment: path of its YAML file.
        simulated: whether the robot is.
        namespace: of the robot's nodes.
        parameters: further ones of page_node, such as ``port``.
    """
    return NodeDescription(
        name="page_node",
        module="qwen_vla_ros.nodes.page_node",
        parameters={"embodiment": embodiment, "simulated": simulated, **parameters},
        parameter_file=share_directory() / "config" / "nodes" / "page_node.yaml",
        namespace=namespace.strip("/"),
    )


def describe_recorder(
    *,
    embodiment: str,
    checkpoint: str = "",
    instruction: str = "",
    simulated: bool = False,
    namespace: str = "",
    **options: Value,
) -> NodeDescription:
    """recorder_node, beside the others or on its own.

    Args:
        embodiment, instruction, namespace: as for ``describe_bringup``.
        checkpoint: the policy that runs, for the recordings to name; "" for none.
        simulated: whether a simulator stands in for the robot.
        options: parameters of the node that differ from its file's.
    """
    return NodeDescription(
        name="recorder_node",
        module="qwen_vla_ros.nodes.recorder_node",
        parameters={
            "embodiment": embodiment,
            "checkpoint": checkpoint,
            "instruction": instruction,
            "simulated": simulated,
            **options,
        },
        parameter_file=share_directory() / "config" / "nodes" / "recorder_node.yaml",
        namespace=namespace.strip("/"),
    )
