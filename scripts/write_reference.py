"""Writes docs/commands.md from the code: commands, launch arguments and parameters.

make reference                               # after a change of any of them
.venv/bin/python scripts/write_reference.py --check   # exit status 1 where the file is old
"""

import importlib
import inspect
import os
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
FILE = REPOSITORY / "docs" / "commands.md"
HEAD = """# Commands, launch arguments, parameters

Written by `make reference` from the code: change the texts there. Topics, services and modes are \
in [reference.md](reference.md).
"""
OF_ROS = ("use_sim_time", "start_type_description_service")
"""Parameters that rclpy declares for every node."""


def commands():
    """The help of every command, as a terminal of 80 columns shows it."""
    from qwen_vla_cli.main import COMMANDS
    from qwen_vla_cli.parser import make_parser

    os.environ["COLUMNS"] = "80"
    yield "\n## Commands\n"
    yield from _helps("qwen-vla", make_parser(COMMANDS))


def _helps(name, parser):
    yield f"### {name}\n\n```text\n{parser.format_help().rstrip()}\n```\n"
    for action in parser._actions:
        if hasattr(action, "_name_parser_map"):  # sub-commands
            for word, below in action.choices.items():
                yield from _helps(f"{name} {word}", below)


def launch_arguments():
    """The arguments of all launch files."""
    from qwen_vla_ros.launching.arguments import ARGUMENTS

    yield "## Launch arguments\n\n| argument | default | what it is |\n|---|---|---|"
    for name, argument in ARGUMENTS.items():
        yield f"| `{name}` | {_code(argument.default)} | {argument.description} |"


def parameters():
    """The parameters of every node, as it declares them before it is configured."""
    import rclpy

    from qwen_vla_ros.nodes.lifecycle import EmbodimentNode

    yield "\n## Parameters\n"
    rclpy.init(args=[])
    for path in sorted(REPOSITORY.glob("src/qwen_vla_*/node*/*_node.py")):
        module = ".".join(path.relative_to(REPOSITORY / "src").with_suffix("").parts)
        for _, kind in inspect.getmembers(importlib.import_module(module), inspect.isclass):
            if kind.__module__ == module and issubclass(kind, EmbodimentNode):
                yield from _parameters(path.stem, kind())
    rclpy.shutdown()


def _parameters(name, node):
    yield f"### {name}\n\n| parameter | default | range | what it is |\n|---|---|---|---|"
    for parameter in sorted(set(node._parameters) - set(OF_ROS)):
        descriptor = node.describe_parameter(parameter)
        ends = [f"{of.from_value} to {of.to_value}" for of in descriptor.integer_range]
        ends += [f"{of.from_value:g} to {of.to_value:g}" for of in descriptor.floating_point_range]
        fixed = "; read only" if descriptor.read_only else ""
        value, words = node.get_parameter(parameter).value, descriptor.description + fixed
        yield f"| `{parameter}` | {_code(value)} | {', '.join(ends)} | {words} |"
    yield ""
    node.destroy_node()


def _code(value):
    if value in ("", None):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def main():
    """Write the file, or say that it is old."""
    text = "\n".join([HEAD.rstrip("\n"), *commands(), *launch_arguments(), *parameters()])
    text = text.rstrip() + "\n"
    if sys.argv[1:] != ["--check"]:
        FILE.write_text(text, "utf-8")
    elif FILE.read_text("utf-8") != text:
        sys.exit(f"{FILE.relative_to(REPOSITORY)} is not what the code says: run make reference")


if __name__ == "__main__":
    main()
