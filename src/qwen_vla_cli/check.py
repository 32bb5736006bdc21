"""Check an embodiment, recipe, report plan, gamepad map or backend, and print what it says.

With --live, look for some seconds whether the robot that runs is the one that an embodiment
describes: topics, types, rates, images, joint names, units and limits, and what its nodes
report. Nothing is published and nothing moves. Exit status 1 if something has to be changed.

Example:
  qwen-vla check widowx
  qwen-vla check my_robot.yaml
  qwen-vla check config/recipes/finetune_widowx.yaml
  qwen-vla check config/backends/openpi_aloha.yaml
  qwen-vla check my_robot.yaml --live
"""

import argparse

from .arguments import embodiment_file, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla check`."""
    parser.add_argument("file", help="a robot in embodiments/ or the path of a YAML file")
    parser.add_argument(
        "--live", action="store_true", help="compare an embodiment with the robot that runs"
    )
    parser.add_argument("--namespace", default="", help="ROS namespace of the running robot")
    parser.add_argument("--seconds", type=positive, default=5, help="how long to look (5)")


def run(arguments: argparse.Namespace) -> int:
    """Print what the file describes; errors name file, line and key."""
    from qwen_vla_core.embodiment import describe_embodiment, load_embodiment
    from qwen_vla_core.yaml_file import kinds, read_yaml

    path = embodiment_file(arguments.file)
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
        case _:
            lines = describe_embodiment(load_embodiment(path), str(path))
    print("\n".join(lines))
    return 0


def _check_live(robot, path, arguments: argparse.Namespace) -> int:
    from qwen_vla_ros.live_check import check_live
    from qwen_vla_ros.live_look import look

    print(f"looking at {robot.name} for {arguments.seconds:g} s ...", flush=True)
    seen = look(robot, arguments.namespace, arguments.seconds)
    findings = check_live(robot, seen, str(path))
    widest = max(len(finding.about) for finding in findings)
    for finding in findings:
        print(f"{finding.level.upper():8} {finding.about:{widest}}  {finding.text}")
    errors = sum(finding.level == "error" for finding in findings)
    warnings = sum(finding.level == "warning" for finding in findings)
    print(f"{errors} errors, {warnings} warnings" if errors or warnings else "all is well")
    return int(errors > 0)
