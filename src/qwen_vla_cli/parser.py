"""The parser of the command line: sub-commands, "did you mean", and the help."""

import argparse
import re
import sys
from collections.abc import Mapping
from types import ModuleType

from qwen_vla_core.did_you_mean import did_you_mean
from qwen_vla_core.resources import package_version

EXIT_STATUSES = "Exit status: 0 done, 2 could not be done, 130 interrupted."


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors name the nearest command, option or choice."""

    def parse_known_args(self, args=None, namespace=None):
        """As argparse's, but each sub-command refuses unknown arguments by itself."""
        self._args = list(sys.argv[1:] if args is None else args)
        namespace, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return namespace, unknown

    def error(self, message: str) -> None:
        """Say what is wrong below the usage, and end with status 2."""
        options = [option for action in self._actions for option in action.option_strings]
        choices = [choice for action in self._actions for choice in action.choices or ()]
        words = [word.partition("=")[0] for word in self._args if word.startswith("--")]
        unknown = [w for w in words if not any(option.startswith(w) for option in options)]
        choice = re.search(r"invalid choice: '([^']*)'", message)
        if choice:
            message += did_you_mean(choice[1], map(str, choices))
        elif unknown:  # what else is wrong, such as a missing option, comes from it
            message = f"unrecognized arguments: {' '.join(unknown)}"
            message += did_you_mean(unknown[0], options)
        elif "required" in message:
            message += f"; {self.prog} --help has an example"
        super().error(message)


class _Version(argparse.Action):
    """Prints the version of package.xml."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        print("qwen-vla", package_version())
        parser.exit()


def make_parser(commands: Mapping[str, ModuleType]) -> Parser:
    """The parser of `qwen-vla`.

    Args:
        commands: name -> module with ``add_arguments``, whose docstring is the help.
    """
    parser = Parser(
        prog="qwen-vla",
        description="Run, measure and train Qwen-VLA policies for robots.",
        epilog=f"Example:\n  qwen-vla demo\n  qwen-vla evaluate --help\n\n{EXIT_STATUSES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, module in commands.items():
        add_command(subparsers, name, module)
    return parser


def add_command(subparsers, name: str, module: ModuleType) -> None:
    """Add the sub-command of a module: its docstring is the help, with the example at the end."""
    summary, _, rest = module.__doc__.partition("\n")
    statuses = getattr(module, "EXIT_STATUSES", EXIT_STATUSES)
    parser = subparsers.add_parser(
        name,
        help=summary.rstrip("."),
        description=summary,
        epilog=f"{rest.strip()}\n\n{statuses}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
