"""What the commands share: types and meanings of their arguments."""

import argparse
import os
from pathlib import Path

from qwen_vla_core.resources import embodiments_directory


def positive(text: str) -> int:
    """A whole number from 1 on."""
    return _at_least(1, text)


def not_negative(text: str) -> int:
    """A whole number from 0 on."""
    return _at_least(0, text)


def port(text: str) -> int:
    """A TCP port, or 0."""
    value = not_negative(text)
    if value > 65535:
        raise argparse.ArgumentTypeError(f"{value} is above 65535")
    return value


def _at_least(lowest: int, text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number") from None
    if value < lowest:
        raise argparse.ArgumentTypeError(f"{value} is below {lowest}")
    return value


def add_instruction(parser: argparse.ArgumentParser, what: str) -> None:
    """`--instruction`."""
    parser.add_argument("--instruction", metavar="SENTENCE", help=what)


def add_workers(parser: argparse.ArgumentParser) -> None:
    """`--workers`."""
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--workers", type=positive, default=cores, help="processes (all cores)")


def add_episodes(
    parser: argparse.ArgumentParser,
    what: str = "episode files, recordings, LeRobot folders, or folders",
) -> None:
    """`episodes`, `--embodiment` and `--workers`."""
    parser.add_argument("episodes", type=Path, nargs="+", metavar="PATH", help=what)
    parser.add_argument(
        "--embodiment", help="name in embodiments/, or a YAML file (the episodes' own)"
    )
    add_workers(parser)


def add_checkpoint(group, otherwise: str = "the shipped one") -> None:
    """`--checkpoint`; `checkpoint_folder` tells where it is."""
    group.add_argument(
        "--checkpoint", help=f"a folder, or owner/model on the Hugging Face hub ({otherwise})"
    )


def add_policy(parser, otherwise: str = "the shipped one") -> None:
    """`--checkpoint` or `--policy-url`; `policy_name` tells which."""
    add_checkpoint(parser, otherwise)
    parser.add_argument(
        "--policy-url", help="ws://host:port of a policy server, in the place of a checkpoint"
    )


def policy_name(checkpoint: str | None, policy_url: str | None = None) -> Path | str:
    """What was named, as ``load_policy`` takes it: a checkpoint of ours as its folder.

    Raises:
        QwenVlaError: as ``checkpoint_folder`` and ``name_policy``, or no installed package has
            such a policy.
    """
    from qwen_vla_ros.load_policy import is_ours, name_policy

    name = name_policy(checkpoint or "", policy_url or "") or checkpoint
    return checkpoint_folder(name) if is_ours(name) else str(name)


def checkpoint_folder(name: str | None) -> Path:
    """The folder of the checkpoint that was named, fetched from the hub where it has to be.

    Raises:
        QwenVlaError: there is none, or it is no checkpoint; the message says what it lacks.
    """
    from qwen_vla_model.hub import find_checkpoint

    find_checkpoint(name)  # refused before gigabytes have come over the network
    return find_checkpoint(name, weights=True)


def embodiment_file(name_or_path: str) -> Path:
    """The YAML file of the embodiment that was named.

    Raises:
        QwenVlaError: there is none; the message names the nearest.
    """
    from qwen_vla_core.embodiment import find_embodiment

    return find_embodiment(name_or_path, embodiments_directory())
