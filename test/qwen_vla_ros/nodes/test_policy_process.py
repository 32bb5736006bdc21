"""policy_node ends when it is interrupted, also while it loads the model or an inference hangs.

While it infers: test_closed_loop.py.
"""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.exit_status import ENDED_ON_REQUEST
from qwen_vla_core.resources import SHIPPED_CHECKPOINT, embodiments_directory
from qwen_vla_ros.bringup import describe_bringup
from qwen_vla_ros.load_policy import HOLD
from qwen_vla_ros.operator import Operator

WIDOWX = embodiments_directory() / "widowx.yaml"
HANGING = Path(__file__).parents[2] / "faults" / "hanging_policy_node.py"
START_S, END_S = 60.0, 3.0

pytestmark = [pytest.mark.timeout(180), pytest.mark.alone]  # time is measured


@pytest.fixture
def start(ros):
    """Starts nodes of a simulated WidowX, the last one policy_node or a program in its place."""
    processes, operator = [], Operator(load_embodiment(WIDOWX))

    def start(*beside, program=None, checkpoint=str(SHIPPED_CHECKPOINT)):
        nodes = describe_bringup(
            embodiment=str(WIDOWX),
            checkpoint=checkpoint,
            instruction="pick up the red block",
            use_sim=True,
        )
        commands = {node.name: node.command() for node in nodes}
        if program:
            commands["policy_node"][1:3] = [str(program)]  # instead of -m module
        for name in (*beside, "policy_node"):
            processes.append(subprocess.Popen(commands[name], stderr=subprocess.PIPE, text=True))
        return processes[-1], operator

    yield start
    for process in processes:
        process.kill()
        process.communicate()
    operator.destroy_node()


def expect_end(process):
    told_s = time.monotonic()
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=10 * END_S)[1]
    assert time.monotonic() - told_s < END_S
    assert process.returncode == ENDED_ON_REQUEST
    assert "Traceback" not in errors, errors


def test_when_interrupted_while_an_inference_hangs_expect_an_end_within_three_seconds(start):
    process, operator = start("sim_node", "control_node", program=HANGING, checkpoint=HOLD)
    assert operator.wait(
        lambda: "hangs" in operator.diagnostics.get("/policy_node", ("",))[0], START_S
    ), operator.diagnostics
    expect_end(process)


def test_when_interrupted_while_it_loads_the_model_expect_an_end_at_once(start):
    process, operator = start()
    node = ("policy_node", "/")
    assert operator.wait(lambda: node in operator.get_node_names_and_namespaces(), START_S)
    expect_end(process)
