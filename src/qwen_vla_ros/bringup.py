"""Which nodes run with which parameters for an embodiment: the one description of it.

The launch files turn it into launch actions and the `qwen-vla` command into processes, so that
the two cannot drift apart.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .resources import share_directory

Value = bool | int | float | str


@dataclass(frozen=True, kw_only=True)
class NodeDescription:
    """One node to run.

    Attributes:
        name: name of the node and of its executable in lib/qwen_vla_ros.
        module: Python module with the same entry point, for running without an install.
        parameters: ROS parameters that differ from the file's.
        parameter_file: parameters of the node in config/.
    """

    name: str
    module: str
    parameters: Mapping[str, Value]
    parameter_file: Path

    def command(self) -> list[str]:
        """The command line that runs the node with the current interpreter."""
        command = [sys.executable, "-m", self.module, "--ros-args", "-r", f"__node:={self.name}"]
        command += ["--params-file", str(self.parameter_file)]
        for key, value in self.parameters.items():
            command += ["-p", f"{key}:={json.dumps(value)}"]
        return command


def describe_bringup(
    *,
    embodiment: str,
    checkpoint: str | None,
    weights: str | None = None,
    instruction: str = "",
    use_sim: bool = False,
    dry_run: bool = False,
) -> tuple[NodeDescription, ...]:
    """The nodes for one embodiment.

    Args:
        embodiment: path of its YAML file.
        checkpoint: folder of the policy's weights; None for the simulator's scripted expert in
            the place of policy_node.
        weights: what to hold them as; None for what the parameter file says.
        instruction: the task in words; may come later on policy/instruction.
        use_sim: run the simulated hardware instead of the robot's drivers.
        dry_run: compute and show everything, send nothing to the hardware.
    """
    config = share_directory() / "config" / "nodes"
    nodes = [
        NodeDescription(
            name="control_node",
            module="qwen_vla_ros.nodes.control_node",
            parameters={"embodiment": embodiment, "dry_run": dry_run},
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
                    "checkpoint": checkpoint,
                    "instruction": instruction,
                    "simulated": use_sim,
                    **({"weights": weights} if weights else {}),
                },
                parameter_file=config / "policy_node.yaml",
            )
        )
    if use_sim:
        nodes.insert(
            0,
            NodeDescription(
                name="sim_node",
                module="qwen_vla_sim.node",
                parameters={"embodiment": embodiment, "expert": checkpoint is None},
                parameter_file=config / "sim_node.yaml",
            ),
        )
    return tuple(nodes)
