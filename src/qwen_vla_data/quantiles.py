"""The 1 % and 99 % quantiles of what a robot did, and an embodiment file that says so."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import yaml

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec, parse_embodiment
from qwen_vla_core.embodiment.schema import Gripper
from qwen_vla_core.errors import QwenVlaError

from .episode import Episode
from .plans import with_plans

ACTION, STATE = "action_normalization", "state_normalization"
NARROWEST = 1e-3
"""Channels whose quantiles are closer than that, rad or m, did not move: theirs stay."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Actions [N, C] and states [M, S] of an episode, native."""

    actions_NC: np.ndarray
    states_MS: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Range:
    """New quantiles of one channel.

    Attributes:
        group: its group. key: ACTION or STATE. channel: its name.
        before, after: q01 and q99 in the file, and of the recordings. kept: why they stay, or "".
    """

    group: str
    key: str
    channel: str
    before: tuple[float, float]
    after: tuple[float, float]
    kept: str = ""


def samples_of(episode: Episode, codec: EmbodimentCodec) -> Samples:
    """All actions of all plans that may be learned from, and all states.

    Raises:
        QwenVlaError: it is another robot's.
    """
    planned = with_plans(episode, codec)
    return Samples(actions_NC=planned.actions_NTHC[planned.valid_NTH], states_MS=planned.states_TS)


def ranges_of(samples: Sequence[Samples], robot: Embodiment) -> list[Range]:
    """Quantiles of every channel.

    A gripper's stay: 0 closed and 1 open mean the same in every dataset, and one that is never
    quite closed in the recordings could not be closed any more.

    Raises:
        QwenVlaError: there is nothing to learn from, or numbers are not finite.
    """
    actions_NC = np.concatenate([one.actions_NC for one in samples])
    states_MS = np.concatenate([one.states_MS for one in samples])
    if not len(actions_NC):
        raise QwenVlaError("the episodes hold no action: each has a single step")
    if not (np.isfinite(actions_NC).all() and np.isfinite(states_MS).all()):
        raise QwenVlaError("the episodes hold NaN; see where with: qwen-vla data check")
    ranges = []
    for key, values, counts in (
        (ACTION, actions_NC, [len(group.action_channels) for group in robot.groups]),
        (STATE, states_MS, [len(group.state_channels) for group in robot.groups]),
    ):
        low, high = np.quantile(values, [0.01, 0.99], axis=0)
        for group, end, count in zip(robot.groups, accumulate(counts), counts, strict=True):
            names = group.action_channels if key == ACTION else group.state_channels
            quantiles = getattr(group, key)
            for place, name in enumerate(names):
                channel = end - count + place
                after = (float(low[channel]), float(high[channel]))
                ranges.append(
                    Range(
                        group=group.name,
                        key=key,
                        channel=name,
                        before=(quantiles.q01[place], quantiles.q99[place]),
                        after=after,
                        kept=_why_kept(isinstance(group.action, Gripper), after),
                    )
                )
    return ranges


def _why_kept(gripper: bool, after: tuple[float, float]) -> str:
    if gripper:
        return "0 and 1 by convention"
    return "did not move" if after[1] - after[0] < NARROWEST else ""


def with_quantiles(text: str, origin: str, ranges: Sequence[Range], source: str) -> str:
    """An embodiment file with these quantiles, and otherwise as it was, comments included.

    Args:
        text: the file. origin: what errors call it.
        source: where the numbers come from, which the file says of them.
    Raises:
        QwenVlaError: the file is no embodiment, or has no place for them.
    """
    parse_embodiment(text, origin)
    edits: list[tuple[int, int, str]] = []
    for group in _entry(yaml.compose(text), "groups").value:
        name = _entry(group, "name").value
        for key in (ACTION, STATE):
            of_it = [r for r in ranges if (r.group, r.key) == (name, key)]
            if not of_it or all(one.kept for one in of_it):
                continue
            section = _entry(group, key)
            numbers = [one.before if one.kept else one.after for one in of_it]
            for place, quantile in enumerate(("q01", "q99")):
                values = ", ".join(_rounded(pair[place]) for pair in numbers)
                edits.append((*_span(_entry(section, quantile), text), f"[{values}]"))
            edits.append((*_span(_entry(section, "source"), text), _quoted(source)))
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    parse_embodiment(text, origin)
    return text


def _entry(node: yaml.Node, key: str) -> yaml.Node:
    return next(value for name, value in node.value if name.value == key)


def _span(node: yaml.Node, text: str) -> tuple[int, int]:
    """Where it stands; a list with dashes ends where the next key begins."""
    start, end = node.start_mark.index, node.end_mark.index
    return start, start + len(text[start:end].rstrip())


def _rounded(value: float) -> str:
    """Four digits after the point: a tenth of a millimetre, and less than an encoder's step."""
    return f"{value:.4f}".rstrip("0").ljust(3, "0") if abs(value) >= 5e-5 else "0.0"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
