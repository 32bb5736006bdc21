"""Simulated robots, the control node and the policy as separate processes over DDS.

Example:
  qwen-vla demo
  qwen-vla demo --embodiment widowx --episodes 3 --out out/demo
  qwen-vla demo --instruction "pick up the green block"

Writes demo.mp4, demo.png, commands.png and summary.json for each embodiment. The exit status is 0
when at least half of the episodes succeed, 1 when fewer do, 2 when something could not run. It
stays on this machine and on a ROS domain of its own, so that it can never command a real robot.
"""

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

from qwen_vla_core.embodiment import Embodiment, find_embodiment, load_embodiment
from qwen_vla_core.errors import EmbodimentError, QwenVlaError
from qwen_vla_core.instruction import check_instruction
from qwen_vla_ros.bringup import describe_bringup
from qwen_vla_ros.resources import embodiments_directory, shipped_checkpoint

from .arguments import not_negative, positive
from .processes import NodeProcesses

START_TIMEOUT_S = 90.0
"""Loading torch and the model on a busy two-core machine takes about 20 s."""
EPISODE_TIMEOUT_S = 25.0
"""A successful episode takes about 8 s of real time; later nothing changes any more."""
SUCCESS_HELD_S = 1.0
"""How long success must last, so that a block flicked up does not count."""
FRAME_PERIOD_S = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla demo`."""
    parser.add_argument(
        "--embodiment", default="all", help="name in embodiments/, YAML file, or all (all)"
    )
    parser.add_argument("--episodes", type=positive, default=3, help="episodes per embodiment (3)")
    parser.add_argument("--seed", type=not_negative, default=0, help="seed of the first scene (0)")
    parser.add_argument("--instruction", help="what to do instead of each scene's own sentence")
    parser.add_argument("--checkpoint", type=Path, help="folder of weights (the shipped one)")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="results (out/demo)")


def run(arguments: argparse.Namespace) -> int:
    """Run the demo for each embodiment and print where the results are."""
    if arguments.instruction is not None:
        check_instruction(arguments.instruction)
    robots = _robots(arguments.embodiment, arguments.checkpoint)
    environment = isolated_environment()
    os.environ.update(environment)
    print(f"watch it with: ROS_DOMAIN_ID={environment['ROS_DOMAIN_ID']} ros2 topic list")
    outcomes = []
    for path, embodiment, checkpoint in robots:
        outcomes += run_embodiment(arguments, path, embodiment, checkpoint, environment)
    successes = sum(outcome["success"] for outcome in outcomes)
    print(f"{successes} of {len(outcomes)} episodes succeeded; see {arguments.out}")
    return 0 if 2 * successes >= len(outcomes) else 1


def _robots(name: str, checkpoint: Path | None) -> list[tuple[Path, Embodiment, Path]]:
    """The robots to run, each with its YAML file and weights.

    Raises:
        QwenVlaError: there is no such robot, or it has no simulated world or no weights. Of all
            robots, those are left out, and it is said which and why.
    """
    folder = embodiments_directory()
    paths = sorted(folder.glob("*.yaml")) if name == "all" else [find_embodiment(name, folder)]
    robots = []
    for path in paths:
        embodiment = load_embodiment(path)
        try:
            if embodiment.simulated_world is None:
                raise EmbodimentError(f"{embodiment.name} has no simulated_world")
            robots.append((path, embodiment, checkpoint or shipped_checkpoint(embodiment.name)))
        except QwenVlaError as error:
            if name != "all":
                raise
            print(f"left out: {error}")
    if not robots:
        raise EmbodimentError(f"none of the robots in {folder} can be demonstrated")
    return robots


def isolated_environment() -> dict[str, str]:
    """ROS settings that keep the demo on this machine and apart from other demos."""
    humble = os.environ.get("ROS_DISTRO") == "humble"
    return {
        # Domains up to 101 leave their ports outside the ephemeral range.
        "ROS_DOMAIN_ID": str(os.getpid() % 100 + 1),
        **(
            {"ROS_LOCALHOST_ONLY": "1"}
            if humble
            else {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        ),
    }


def run_embodiment(
    arguments: argparse.Namespace,
    path: Path,
    embodiment: Embodiment,
    checkpoint: Path,
    environment: dict[str, str],
) -> list[dict]:
    """All episodes of one robot; the results land in a folder of its name."""
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    from qwen_vla_ros.operator import Operator

    from .demo_report import CommandPicture, DemoVideo

    out = arguments.out / embodiment.name
    out.mkdir(parents=True, exist_ok=True)
    nodes = describe_bringup(embodiment=str(path), checkpoint=str(checkpoint), use_sim=True)
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)  # Ctrl-C is ours to handle
    operator = Operator(embodiment)
    picture = CommandPicture(embodiment)
    outcomes = []
    try:
        with (
            NodeProcesses(nodes, environment, out / "log") as processes,
            DemoVideo(out / "demo.mp4", 1.0 / FRAME_PERIOD_S) as video,
        ):
            demo = _Demo(operator, processes, video)
            demo.wait_until_ready()
            for seed in range(arguments.seed, arguments.seed + arguments.episodes):
                outcome = demo.episode(seed, arguments.instruction)
                outcomes.append(outcome)
                picture.add(operator.commands, outcome["instruction"])
                video.end_episode()
                print(
                    f"  seed {seed}: {outcome['instruction']}: "
                    f"{'success' if outcome['success'] else 'failure'} after "
                    f"{outcome['duration_s']:.1f} s (done: {outcome['done'] or 'nothing'})"
                )
            video.save_strip(out / "demo.png")
            diagnostics = operator.diagnostics
    finally:
        operator.destroy_node()
        rclpy.try_shutdown()
    picture.save(out / "commands.png")
    summary = {
        "embodiment": embodiment.name,
        "checkpoint": str(checkpoint),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "success_rate": sum(outcome["success"] for outcome in outcomes) / len(outcomes),
        "episodes": outcomes,
        "diagnostics": {name: values for name, (_, values) in diagnostics.items()},
    }
    (out / "summary.json").write_text(json.dumps(summary, indent=1))
    return outcomes


class _Demo:
    """Runs episodes on a system that is up."""

    def __init__(self, operator, processes: NodeProcesses, video) -> None:
        self._operator, self._processes, self._video = operator, processes, video
        self._next_frame_s = 0.0

    def wait_until_ready(self) -> None:
        """Wait for pictures, a mode and a policy that is loaded.

        Raises:
            QwenVlaError: a node ended, or it takes too long; with the end of its log.
        """
        operator = self._operator
        needed = {
            "cameras": lambda: bool(operator.images),
            "control_node": lambda: bool(operator.mode),
            "policy_node": lambda: "/policy_node" in operator.diagnostics,
            "simulator": lambda: bool(operator.task_status),
        }
        started_s = time.monotonic()
        while missing := [name for name, there in needed.items() if not there()]:
            waited_s = time.monotonic() - started_s
            self._progress(f"starting, waiting for {', '.join(missing)} ({waited_s:.0f} s)")
            if stopped := self._processes.stopped():
                raise QwenVlaError(stopped)
            if waited_s > START_TIMEOUT_S:
                raise QwenVlaError(f"{', '.join(missing)} not there after {START_TIMEOUT_S:g} s")
            operator.wait(lambda: False, 0.5)
        self._progress("")

    def episode(self, seed: int, instruction: str | None) -> dict:
        """Place the scene of ``seed``, tell the task, engage, and watch until it ends."""
        operator = self._operator
        scene_instruction = self._place(seed)
        instruction = instruction or scene_instruction
        operator.instruct(instruction)
        operator.insist("engage_policy", timeout_s=15.0)
        operator.clear_commands()  # what was commanded before the arm was placed
        started_s = time.monotonic()
        success_since_s = None
        while (elapsed_s := time.monotonic() - started_s) < EPISODE_TIMEOUT_S:
            operator.wait(lambda: False, 0.05)
            if stopped := self._processes.stopped():
                raise QwenVlaError(stopped)
            status = operator.task_status
            self._film(instruction, elapsed_s)
            self._progress(f"seed {seed}: {instruction}: {elapsed_s:4.1f} s, {operator.mode}")
            if not status["success"]:
                success_since_s = None
            elif success_since_s is None:
                success_since_s = time.monotonic()
            elif time.monotonic() - success_since_s > SUCCESS_HELD_S:
                break
        operator.request("hold")
        self._progress("")
        return {
            "seed": seed,
            "instruction": instruction,
            "success": bool(success_since_s is not None),
            "done": operator.task_status["done"],
            "duration_s": round(elapsed_s, 2),
        }

    def _place(self, seed: int) -> str:
        """Have the simulator lay out a scene; control rests meanwhile, as when a person does.

        Returns the scene's own instruction.
        """
        operator = self._operator
        operator.request("hold")
        operator.set_active("control_node", False)
        scene_instruction = operator.reset_simulation(seed)
        operator.set_active("control_node", True)
        operator.insist("reset", timeout_s=15.0)  # of what the last episode may have latched
        return scene_instruction

    def _film(self, instruction: str, elapsed_s: float) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_frame_s:
            self._next_frame_s = now_s + FRAME_PERIOD_S
            mode = self._operator.mode.partition(":")[0]
            self._video.add(self._operator.images, f"{mode}  {elapsed_s:4.1f} s  {instruction}")

    def _progress(self, text: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
        elif text and time.monotonic() - getattr(self, "_told_s", 0.0) > 5.0:
            self._told_s = time.monotonic()
            print(text, file=sys.stderr, flush=True)
