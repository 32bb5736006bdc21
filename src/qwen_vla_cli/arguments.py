"""What the commands share: types of arguments, whose ValueError becomes a usage message."""

import argparse
from types import ModuleType


def positive(text: str) -> int:
    """A whole number from 1 on."""
    return _at_least(1, text)


def not_negative(text: str) -> int:
    """A whole number from 0 on."""
    return _at_least(0, text)


def _at_least(lowest: int, text: str) -> int:
    value = int(text)
    if value < lowest:
        raise ValueError(f"{value} is below {lowest}")
    return value


def add_command(subparsers, name: str, module: ModuleType) -> None:
    """Add the sub-command of a module: its docstring is the help, with the example at the end."""
    summary, _, rest = module.__doc__.partition("\n")
    parser = subparsers.add_parser(
        name,
        help=summary.rstrip("."),
        description=summary,
        epilog=rest.strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
