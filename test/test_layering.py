"""Who may import whom. The rules are the ones of DESIGN.md; this test keeps them true."""

import ast
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"

CORE, DATA, REMOTE = "qwen_vla_core", "qwen_vla_data", "qwen_vla_remote"
MODEL, SIM = "qwen_vla_model", "qwen_vla_sim"
ROS, EVAL, CLI = "qwen_vla_ros", "qwen_vla_eval", "qwen_vla_cli"

# Which of our packages a package may import. Nothing imports the command line.
MAY_IMPORT = {
    CORE: set(),
    DATA: {CORE},
    REMOTE: {CORE},
    MODEL: {CORE, DATA},
    SIM: {CORE, DATA},
    ROS: {CORE, DATA},
    EVAL: {CORE, DATA, REMOTE, MODEL, SIM, ROS},
    CLI: {CORE, DATA, REMOTE, MODEL, SIM, ROS, EVAL},
}
# Where ROS meets the model, and a policy on another machine.
POLICY_IN_ROS = f"{ROS}/load_policy.py"

# All that core may use beside the standard library: it has to run on any robot computer.
CORE_LIBRARIES = {"numpy", "yaml", "pydantic", "cv2", "simplejpeg", "pinocchio"}
# Core gets time as an argument, so that every timing rule is tested without waiting.
WALL_CLOCKS = {"time", "datetime"}

# Benchmarks measure the machine and the network themselves.
TORCH_IN_EVAL = f"{EVAL}/bench/"

TORCH_LIBRARIES = {"torch", "transformers", "safetensors", "tokenizers"}
ROS_LIBRARIES = {
    "ament_index_python",
    "builtin_interfaces",
    "cv_bridge",
    "launch",
    "launch_ros",
    "rcl_interfaces",
    "rclpy",
    "rosbag2_py",
    "std_srvs",
    "tf2_ros",
}
SIM_NODE = f"{SIM}/node/"
# What the simulator's node shares with the others. Conversions of messages stay its own, so that a
# wrong sign cannot cancel itself.
SIM_FROM_ROS = {f"{ROS}.nodes.{module}" for module in ("lifecycle", "parameters", "process")}
SIM_FROM_ROS |= {f"{ROS}.{module}" for module in ("diagnostics", "every_publisher", "qos")}
SIM_FROM_ROS |= {f"{ROS}.stream_meter"}

# What the command line imports only where it is used: help, completion and a mistyped command have
# to answer at once, also on machines where some of these are not
# installed.
HEAVY = {"torch", "transformers", "rclpy", "mujoco", "numpy", "pydantic", "yaml", "pinocchio"}


@dataclass(frozen=True, kw_only=True)
class Import:
    """One imported module."""

    module: str
    line: int

    @property
    def top_level(self):
        return self.module.partition(".")[0]


def imports_of(path):
    """All imports of a file, inside functions too."""
    found = []

    def add(module, node):
        found.append(Import(module=module, line=node.lineno))

    def visit(node):
        if isinstance(node, ast.Import):
            for alias in node.names:
                add(alias.name, node)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            # Relative imports stay inside a package, where everything may import everything.
            add(node.module, node)
        elif isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "attr", getattr(node.func, "id", None))
            name = node.args[0]
            if called in {"import_module", "__import__"} and isinstance(name, ast.Constant):
                add(str(name.value), node)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8"), filename=str(path)))
    return found


def complaint(file, used):
    """Why `file`, a path below src, may not make this import; None if it may."""
    package = file.partition("/")[0]
    name = used.top_level
    if package not in MAY_IMPORT:
        return f"{package} belongs to no layer: give it one in this test"
    if name == package:
        return None
    if name in MAY_IMPORT:
        if name in MAY_IMPORT[package] or (name in {MODEL, REMOTE} and file == POLICY_IN_ROS):
            return None
        if file.startswith(SIM_NODE) and used.module in SIM_FROM_ROS:
            return None
        return f"{package} may not import {name}"
    if package == CORE:
        if name in WALL_CLOCKS:
            return f"core gets time as an argument, not from {name}"
        if name not in CORE_LIBRARIES and name not in sys.stdlib_module_names:
            return f"core may not depend on {name}"
    if name in TORCH_LIBRARIES and package != MODEL and not file.startswith(TORCH_IN_EVAL):
        return f"{name} belongs in {MODEL}"
    if name == "mujoco" and package != SIM:
        return f"{name} belongs in {SIM}"
    if name in ROS_LIBRARIES or name.endswith("_msgs"):
        if package != ROS and not file.startswith(SIM_NODE):
            return f"{name} belongs in {ROS} and {SIM_NODE}"
    return None


def violations(src):
    """All breaches of the rules below a source folder, one line each."""
    files = [path for path in sorted(src.rglob("*.py")) if "interfaces" not in path.parts]
    return [
        f"{file}:{used.line}: {reason}"
        for path in files
        for file in [path.relative_to(src).as_posix()]
        for used in imports_of(path)
        if (reason := complaint(file, used))
    ]


def write(src, file, text):
    path = src / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_when_the_source_is_read_expect_every_import_to_keep_to_the_layers():
    assert violations(SRC) == []


def test_when_the_command_line_is_imported_expect_nothing_heavy_to_be_loaded():
    modules = [
        ".".join(path.relative_to(SRC).with_suffix("").parts)
        for path in sorted((SRC / CLI).rglob("*.py"))
        if path.name != "__main__.py"
    ]
    program = (
        "import importlib, sys\n"
        f"for module in {modules!r}: importlib.import_module(module)\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (run.returncode, run.stdout.strip()) == (0, "[]"), run.stderr


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("qwen_vla_core/types.py", "import torch"),
        ("qwen_vla_core/types.py", "def f():\n    from rclpy.node import Node"),
        ("qwen_vla_core/types.py", "from qwen_vla_model import network"),
        ("qwen_vla_core/safety/watchdog.py", "from time import monotonic"),
        ("qwen_vla_core/safety/clock.py", "import time"),
        ("qwen_vla_core/types.py", "import importlib\nimportlib.import_module('torch')"),
        ("qwen_vla_data/episode.py", "import torch"),
        ("qwen_vla_data/episode.py", "import rclpy"),
        ("qwen_vla_remote/client.py", "import torch"),
        ("qwen_vla_remote/client.py", "import rclpy"),
        ("qwen_vla_remote/server.py", "from qwen_vla_model.policy import QwenVlaPolicy"),
        ("qwen_vla_ros/nodes/control_node.py", "from qwen_vla_remote.client import RemotePolicy"),
        ("qwen_vla_ros/nodes/policy_node.py", "from qwen_vla_model.policy import QwenVlaPolicy"),
        ("qwen_vla_data/episode.py", "from qwen_vla_sim.generate import generate"),
        ("qwen_vla_model/policy.py", "from std_msgs.msg import String"),
        ("qwen_vla_model/policy.py", "import mujoco"),
        ("qwen_vla_sim/world.py", "import rclpy"),
        ("qwen_vla_sim/world.py", "import qwen_vla_ros.conversions"),
        ("qwen_vla_sim/world.py", "from qwen_vla_ros.nodes.parameters import declare_number"),
        ("qwen_vla_sim/node/sim_node.py", "from qwen_vla_ros.messages import estop_in"),
        ("qwen_vla_ros/nodes/control_node.py", "from qwen_vla_model.policy import load"),
        ("qwen_vla_ros/nodes/policy_node.py", "import torch"),
        ("qwen_vla_ros/bringup.py", "from qwen_vla_cli.main import main"),
        ("qwen_vla_cli/main.py", "import rclpy"),
        ("qwen_vla_cli/main.py", "if True:\n    from torch import nn"),
        ("qwen_vla_cli/main.py", "def train():\n    import torch"),
        ("qwen_vla_eval/episodes.py", "import torch"),
        ("qwen_vla_eval/episodes.py", "import qwen_vla_cli.arguments"),
        ("qwen_vla_ros/bringup.py", "import qwen_vla_eval.runner"),
        ("qwen_vla_extra/new.py", "import numpy"),
    ],
)
def test_when_a_file_breaks_a_rule_expect_file_and_line_in_the_complaint(tmp_path, file, text):
    write(tmp_path, file, text)
    (line,) = violations(tmp_path)
    assert line.startswith(f"{file}:{len(text.splitlines())}: ")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("qwen_vla_core/types.py", "import dataclasses, numpy, pydantic\nfrom . import errors"),
        ("qwen_vla_model/policy.py", "import torch\nfrom qwen_vla_core.types import Observation"),
        (
            "qwen_vla_sim/node/sim_node.py",
            "import mujoco, rclpy\nfrom interbotix_xs_msgs.msg import X",
        ),
        ("qwen_vla_ros/load_policy.py", "def f():\n    import qwen_vla_model.policy"),
        ("qwen_vla_ros/load_policy.py", "def f():\n    import qwen_vla_remote.client"),
        (
            "qwen_vla_remote/client.py",
            "import websockets\nfrom qwen_vla_core.policy import Policy",
        ),
        ("qwen_vla_ros/nodes/control_node.py", "import time, rclpy, qwen_vla_core.modes"),
        (
            "qwen_vla_cli/main.py",
            "def train():\n    import qwen_vla_model.training, qwen_vla_eval.runner",
        ),
        ("qwen_vla_eval/bench/chunks.py", "import torch"),
    ],
)
def test_when_a_file_keeps_to_the_rules_expect_no_complaint(tmp_path, file, text):
    write(tmp_path, file, text)
    assert violations(tmp_path) == []
