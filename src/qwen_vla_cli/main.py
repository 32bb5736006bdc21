"""Entry point of `qwen-vla`: one file per sub-command."""

import argparse
import sys

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.missing_ros import explain_missing_ros

from . import bench, check, demo, evaluate, generate, new, train
from .arguments import add_command
from .completion import complete

COMMANDS = {
    "demo": demo,
    "evaluate": evaluate,
    "check": check,
    "new": new,
    "generate": generate,
    "train": train,
    "bench": bench,
}

EXIT_USAGE = 2
"""What argparse uses for wrong arguments; also for input that is refused."""

EXIT_INTERRUPTED = 130
"""What shells report after Ctrl-C: 128 + SIGINT."""


def main() -> None:
    """Run one sub-command; refused input gives one clear line instead of a traceback."""
    parser = argparse.ArgumentParser(
        prog="qwen-vla", description="Run, measure and train Qwen-VLA policies for robots."
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        add_command(subparsers, name, module)
    complete(parser)
    arguments = parser.parse_args()
    try:
        sys.exit(COMMANDS[arguments.command].run(arguments))
    except QwenVlaError as error:
        print(f"qwen-vla {arguments.command}: {error}", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    except ModuleNotFoundError as error:
        explanation = explain_missing_ros(error)
        if explanation is None:
            raise
        print(f"qwen-vla {arguments.command}: {explanation}", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    except KeyboardInterrupt:
        print(f"\nqwen-vla {arguments.command}: interrupted", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()
