"""Check an embodiment, recipe, report plan, gamepad map or backend, and print what it says.

Example:
  qwen-vla check widowx
  qwen-vla check my_robot.yaml
  qwen-vla check config/recipes/finetune_widowx.yaml
  qwen-vla check config/backends/openpi_aloha.yaml
"""

import argparse

from .arguments import embodiment_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla check`."""
    parser.add_argument("file", help="a robot in embodiments/ or the path of a YAML file")


def run(arguments: argparse.Namespace) -> int:
    """Print what the file describes; errors name file, line and key."""
    from qwen_vla_core.embodiment import describe_embodiment, load_embodiment
    from qwen_vla_core.yaml_file import kinds, read_yaml

    path = embodiment_file(arguments.file)
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
