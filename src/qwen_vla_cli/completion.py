"""Completion in the shell: sub-commands, options, embodiments, tasks, shifts, files.

Switched on once for each user:

  echo 'eval "$(register-python-argcomplete qwen-vla)"' >> ~/.bashrc
"""

import argparse
import os
from collections.abc import Iterator


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks for completions, and end; in any other call do nothing."""
    if "_ARGCOMPLETE" not in os.environ:
        return
    import argcomplete

    names = {"embodiment": _embodiments, "file": _embodiments, "task": _tasks, "shift": _shifts}
    for action in _actions(parser):
        if action.dest in names:
            action.completer = names[action.dest]
    argcomplete.autocomplete(parser)


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # argparse offers no public list of them
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                yield from _actions(subparser)


def _embodiments(prefix: str, **_: object) -> list[str]:
    """Names of the shipped embodiments, and YAML files as soon as a path begins."""
    from argcomplete.completers import FilesCompleter

    from qwen_vla_core.resources import embodiments_directory

    names = [path.stem for path in embodiments_directory().glob("*.yaml")]
    return names + list(FilesCompleter(("yaml",))(prefix))


def _tasks(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    """Tasks of the embodiment that is already on the line."""
    from qwen_vla_core.embodiment import find_embodiment, load_embodiment
    from qwen_vla_core.resources import embodiments_directory
    from qwen_vla_sim.registry import make_tasks

    path = find_embodiment(parsed_args.embodiment, embodiments_directory())
    return list(make_tasks(load_embodiment(path)))


def _shifts(**_: object) -> list[str]:
    from qwen_vla_sim.tasks.shifts import Shift

    return [shift.value for shift in Shift]
