"""Check an embodiment, recipe, report plan, gamepad map or backend, and print what it says.

With --live, look for some seconds whether the robot that runs is the one that an embodiment
describes: topics, types, rates, images, joint names, units and limits, and what its nodes
report. Nothing is published and nothing moves.

With --wiggle as well, each joint moves two degrees there and back, through control_node and all
its limits as teleoperation, after a person's yes for each: sign, unit and size of the answer.

Example:
  qwen-vla check widowx
  qwen-vla check my_robot.yaml
  qwen-vla check config/recipes/finetune_widowx.yaml
  qwen-vla check config/backends/openpi_aloha.yaml
  qwen-vla check my_robot.yaml --live
  qwen-vla check my_robot.yaml --live --wiggle
"""

import argparse
import sys
from pathlib import Path

from .arguments import embodiment_file, positive

EXIT_STATUSES = (
    "Exit status: 0 done, 1 with --live: something has to be changed, 2 could not be done, "
    "130 interrupted."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla check`."""
    parser.add_argument("file", help="a robot in embodiments/ or the path of a YAML file")
    parser.add_argument(
        "--live", action="store_true", help="compare an embodiment with the robot that runs"
    )
    parser.add_argument(
        "--wiggle",
        action="store_true",
        help="with --live: move each joint two degrees there and back, after your yes",
    )
    parser.add_argument(
        "--cover",
        action="store_true",
        help="with --live: show what the policy plans with each camera covered; nothing moves",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        help="with --live: the policy of this folder, and what its cameras showed in training "
        "(policy_node's, or the shipped one)",
    )
    parser.add_argument("--namespace", default="", help="ROS namespace of the running robot")
    parser.add_argument("--seconds", type=positive, default=5, help="how long to look (5)")


def run(arguments: argparse.Namespace) -> int:
    """Print what the file describes; errors name file, line and key."""
    from qwen_vla_core.embodiment import describe_embodiment, load_embodiment
    from qwen_vla_core.errors import QwenVlaError
    from qwen_vla_core.yaml_file import kinds, read_yaml

    path = embodiment_file(arguments.file)
    if (arguments.wiggle or arguments.cover) and not arguments.live:
        raise QwenVlaError("--wiggle and --cover need the robot that runs: add --live")
    if arguments.live:
        return _check_live(load_embodiment(path), path, arguments)
    match read_yaml(path).kind:
        case kinds.RECIPE:
            from qwen_vla_model.training.recipe import describe_recipe, load_recipe

            lines = describe_recipe(load_recipe(path), str(path))
        case kinds.PLAN:
            from qwen_vla_eval.report.plan import describe_plan, load_plan

            lines = describe_plan(load_plan(path), str(path))
        case kinds.GAMEPAD:
            from qwen_vla_core.teleop import describe_gamepad, read_gamepad

            lines = describe_gamepad(read_gamepad(path), str(path))
        case kinds.BACKEND:
            from qwen_vla_remote.backend import describe_backend, load_backend

            lines = describe_backend(load_backend(path), str(path))
        case kinds.FLEET:
            from qwen_vla_eval.fleet.plan import describe_fleet, load_fleet

            lines = describe_fleet(load_fleet(path), str(path))
        case kinds.REINFORCEMENT:
            from qwen_vla_eval.reinforce import describe_reinforcement, load_reinforcement

            lines = describe_reinforcement(load_reinforcement(path), str(path))
        case _:
            lines = describe_embodiment(load_embodiment(path), str(path))
    print("\n".join(lines))
    return 0


def _check_live(robot, path, arguments: argparse.Namespace) -> int:
    from qwen_vla_core.resources import SHIPPED_CHECKPOINT
    from qwen_vla_data.view_statistics import load_view_statistics
    from qwen_vla_ros.live_check import check_live, checkpoint_in
    from qwen_vla_ros.live_look import look

    if arguments.wiggle:
        _refuse_without_terminal()
    print(f"looking at {robot.name} for {arguments.seconds:g} s ...", flush=True)
    seen = look(robot, arguments.namespace, arguments.seconds)
    checkpoint = arguments.checkpoint or checkpoint_in(seen) or SHIPPED_CHECKPOINT
    trained = load_view_statistics(checkpoint, robot)
    findings = check_live(robot, seen, str(path), trained, checkpoint.name)
    if not trained:
        print(f"{checkpoint} does not say what {robot.name}'s cameras showed in its training:")
        print("`qwen-vla data images <its episodes> --checkpoint <folder>` adds that to it")
    if arguments.cover:
        from qwen_vla_eval.cover import cover

        print("planning with each camera covered ...", flush=True)
        findings += cover(robot, seen, checkpoint, "")
    _show(findings)
    if arguments.wiggle:
        from qwen_vla_ros.live_wiggle import wiggle

        print(_BEFORE_WIGGLE, flush=True)
        for moved in wiggle(robot, arguments.namespace, str(path), _yes):
            _show([moved])
            findings.append(moved)
    errors = sum(finding.level == "error" for finding in findings)
    warnings = sum(finding.level == "warning" for finding in findings)
    print(f"{errors} errors, {warnings} warnings" if errors or warnings else "all is well")
    return int(errors > 0)


def _show(findings) -> None:
    widest = max((len(finding.about) for finding in findings), default=0)
    for finding in findings:
        print(f"{finding.level.upper():8} {finding.about:{widest}}  {finding.text}", flush=True)


_BEFORE_WIGGLE = """
Each joint moves two degrees there and back, a gripper a twentieth of its stroke; a base stays.
Clear the robot's reach, and keep a hand on its power switch. Ctrl-C, control/hold and the e-stop
end it. Only 'yes' moves a joint; 'end' leaves out the rest, anything else this one."""


def _refuse_without_terminal() -> None:
    from qwen_vla_core.errors import QwenVlaError

    if not sys.stdin.isatty():
        raise QwenVlaError("--wiggle moves the robot and asks before: start it in a terminal")


def _yes(question: str) -> bool | None:
    """Whether the person says yes; None to end."""
    try:
        answer = input(f"{question}. Move it? ").strip().lower()
    except EOFError:
        return None
    return None if answer == "end" else answer == "yes"
