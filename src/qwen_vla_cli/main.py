"""Entry point of `qwen-vla`: one file per sub-command, and what its endings mean for a script."""

import os
import signal
import sys
from collections.abc import Callable
from types import ModuleType

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.missing_ros import explain_missing_ros

from . import (
    ask,
    bench,
    benchmark,
    check,
    data,
    demo,
    evaluate,
    firstday,
    fleet,
    generate,
    import_weights,
    new,
    record,
    reinforce,
    replay,
    serve,
    status,
    teleop,
    train,
    view,
)
from .completion import complete
from .parser import make_parser

COMMANDS: dict[str, ModuleType] = {
    "demo": demo,
    "teleop": teleop,
    "view": view,
    "status": status,
    "record": record,
    "evaluate": evaluate,
    "ask": ask,
    "check": check,
    "new": new,
    "generate": generate,
    "data": data,
    "replay": replay,
    "train": train,
    "reinforce": reinforce,
    "import": import_weights,
    "serve": serve,
    "fleet": fleet,
    "firstday": firstday,
    "bench": bench,
    "benchmark": benchmark,
}

EXIT_REFUSED = 2
"""What argparse uses for wrong arguments; also for input that is refused, and a full disk."""


def main() -> None:
    """Run one sub-command; what cannot be done is one clear line instead of a traceback."""
    parser = make_parser(COMMANDS)
    complete(parser)
    arguments = parser.parse_args()
    if arguments.command is None:
        parser.print_help()
        sys.exit(0)
    command = COMMANDS[arguments.command]
    sys.exit(run(f"qwen-vla {arguments.command}", command, arguments))


def run(name: str, command: ModuleType, arguments) -> int:
    """The exit status of a command, after its error has been said."""
    ended = _EndRequest()
    try:
        status = command.run(arguments)
        sys.stdout.flush()  # here, where an error of it is caught
        return status
    except KeyboardInterrupt as interrupt:
        ended.ignore_more()
        go_on: Callable = getattr(command, "when_interrupted", lambda arguments: "")
        words = str(interrupt) or go_on(arguments)
        _say(f"\n{name}: interrupted" + (f"; {words}" if words else ""))
        # Everything is closed by now. Taking torch and its threads apart would take seconds more.
        os._exit(128 + ended.number)
    except BrokenPipeError:
        # Whoever read the output has seen enough, as `head` has. What is still in the buffer goes
        # nowhere, or flushing it at exit would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except QwenVlaError as error:
        _say(f"{name}: {error}")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _say(f"{name}: {where}{error.strerror or error}")
    except ModuleNotFoundError as error:
        explanation = explain_missing_ros(error)
        if explanation is None:
            raise
        _say(f"{name}: {explanation}")
    return EXIT_REFUSED


class _EndRequest:
    """SIGTERM and the end of the terminal interrupt a command as Ctrl-C does."""

    def __init__(self) -> None:
        self.number = signal.SIGINT
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) == signal.SIG_DFL:  # nohup's is left alone
                signal.signal(number, self._interrupt)

    def _interrupt(self, number: int, frame: object) -> None:
        self.number = signal.Signals(number)
        raise KeyboardInterrupt

    def ignore_more(self) -> None:
        """The end has begun; a second Ctrl-C must not put a traceback into it."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
