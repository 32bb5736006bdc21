"""Weights of others with the same network under other names, as a checkpoint of ours.

A map (``NameMap``, config/imports/) says which of their tensors is which of ours, and the sizes of
the expert. Everything is compared by the files' headers first: what matched, what did not, and
what has another shape. Only when every parameter has its tensor is anything read or written.
"""

import re
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import AfterValidator, BaseModel, Field, FiniteFloat, PositiveInt, model_validator
from torch import nn

from qwen_vla_core.embodiment import Embodiment, load_embodiment
from qwen_vla_core.embodiment.signature import embodiment_signature, with_views
from qwen_vla_core.errors import CheckpointError, QwenVlaError
from qwen_vla_core.yaml_file import Strict, WrongKey, read_yaml
from qwen_vla_core.yaml_file.kinds import NAMES

from .action_space import STILL_RANGE, ActionSpace, Counting, relations_of
from .channel_layout import ChannelLayout
from .checkpoint import build_empty, save_pretrained
from .config import PUBLISHED_EXPERT, ExpertConfig, PromptForm, QwenVlaConfig
from .hub import find_folder
from .json_file import read_json
from .precision import require_memory
from .pretrained_backbone import config_around, tokenizer_with_tags
from .weights import StoredTensor, opened, place, read_headers

SHOWN = 20
"""Names of a kind that a report lists; the rest is counted."""


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from error
    return text


class Rule(Strict):
    """Which tensors of theirs a rule is about, and what they are here.

    Attributes:
        theirs: regular expression of a whole name.
        ours: the name here, with ``\\1`` for what a group matched; null for what is not wanted.
        part: e.g. [1, 3] where it is the second of three that are one matrix here, one below the
            other: queries, keys and values, or gate and up.
    """

    theirs: Annotated[str, AfterValidator(_expression)]
    ours: str | None
    part: tuple[int, PositiveInt] = (0, 1)

    @model_validator(mode="after")
    def _one_of_them(self) -> "Rule":
        if not 0 <= self.part[0] < self.part[1]:
            raise WrongKey("part", f"{list(self.part)}: counts from 0 to one less than how many")
        return self


class ImportedRobot(Strict):
    """A robot that the weights were trained on.

    Attributes:
        statistics: its key in the file of statistics.
        actions: how its actions were counted; the quantiles are of that.
        view: width and height of its views in pixels; null for those of the embodiment.
    """

    embodiment: Path
    statistics: str
    actions: Counting = Counting(
        deltas="per_step", joints="absolute", quantiles="all_steps", clip=True
    )
    view: tuple[PositiveInt, PositiveInt] | None = None


class NameMap(Strict):
    """What has to be known of weights of others.

    Attributes:
        tensors: rules; the first one that fits a name decides.
        backbone: where the backbone's configuration and tokenizer are, a folder or hub name; null
            for the folder of the weights.
    """

    tensors: Annotated[tuple[Rule, ...], Field(min_length=1)]
    robots: Annotated[tuple[ImportedRobot, ...], Field(min_length=1)]
    backbone: str | None = None
    expert: ExpertConfig = PUBLISHED_EXPERT
    horizon: PositiveInt = 16
    channels: PositiveInt = 64
    channel_layout: ChannelLayout = "native"
    euler_steps: PositiveInt = 5
    prompt: PromptForm = "plain"


class Quantiles(BaseModel):
    """q01 and q99 of each channel, in the robot's units; other keys are left alone."""

    q01: tuple[FiniteFloat, ...]
    q99: tuple[FiniteFloat, ...]


@dataclass(frozen=True, kw_only=True)
class Match:
    """Which tensors of theirs make which of ours.

    Attributes:
        found: name here -> its parts in order.
        missing: names here without a tensor. unexpected: theirs that no rule is about.
        wrong: in words, what fits by its name alone. dropped: theirs that are not wanted.
    """

    found: Mapping[str, Sequence[StoredTensor]]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    wrong: tuple[str, ...]
    dropped: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every parameter has its tensor, and every tensor a meaning."""
        return not (self.missing or self.unexpected or self.wrong)

    def report(self) -> list[str]:
        """In lines for a person."""
        parts = sum(map(len, self.found.values()))
        numbers = sum(int(np.prod(p.shape)) for parts in self.found.values() for p in parts)
        lines = [
            f"matched      {len(self.found)} of ours from {parts} of theirs, {numbers:,} numbers"
        ]
        for what, names in (
            ("missing", self.missing),
            ("unexpected", self.unexpected),
            ("wrong", self.wrong),
            ("dropped", self.dropped),
        ):
            lines.append(f"{what:<12} {len(names)}")
            lines += [f"             {name}" for name in names[:SHOWN]]
            if len(names) > SHOWN:
                lines.append(f"             and {len(names) - SHOWN} more")
        return lines


def match(
    rules: Sequence[Rule], stored: Sequence[StoredTensor], wanted: Mapping[str, nn.Parameter]
) -> Match:
    """Find for each parameter its tensor, by names, shapes and types alone."""
    parts: dict[str, dict[int, StoredTensor]] = defaultdict(dict)
    counts: dict[str, int] = {}
    unexpected, dropped, wrong = [], [], []
    for entry in stored:
        name, rule = _ours(rules, entry.key)
        if rule is None:
            unexpected.append(entry.key)
        elif name is None:
            dropped.append(entry.key)
        elif name not in wanted:
            wrong.append(f"{entry.key} would be {name}, which is nothing here")
        elif counts.setdefault(name, rule.part[1]) != rule.part[1] or rule.part[0] in parts[name]:
            wrong.append(f"{entry.key} and another are both {name}")
        else:
            parts[name][rule.part[0]] = entry
    found = {}
    for name, of_name in parts.items():
        shape = tuple(wanted[name].shape)
        pieces = [of_name[i] for i in sorted(of_name)]
        if len(pieces) < counts[name]:
            wrong.append(f"{name} has {len(pieces)} of its {counts[name]} parts")
            continue
        rows = sum(piece.shape[0] for piece in pieces if piece.shape)
        has = (rows, *pieces[0].shape[1:]) if pieces[0].shape else ()
        if has != shape or any(piece.shape[1:] != pieces[0].shape[1:] for piece in pieces):
            theirs = ", ".join(f"{piece.key} {piece.shape}" for piece in pieces)
            wrong.append(f"{name} is {shape} here, and there {theirs}")
        elif bad := [piece for piece in pieces if not piece.is_float]:
            wrong.append(f"{bad[0].key} is of type {bad[0].dtype}")
        else:
            found[name] = pieces
    return Match(
        found=found,
        missing=tuple(sorted(wanted.keys() - parts.keys())),
        unexpected=tuple(sorted(unexpected)),
        wrong=tuple(sorted(wrong)),
        dropped=tuple(sorted(dropped)),
    )


def _ours(rules: Sequence[Rule], key: str) -> tuple[str | None, Rule | None]:
    for rule in rules:
        if fits := re.fullmatch(rule.theirs, key):
            return (None if rule.ours is None else fits.expand(rule.ours)), rule
    return None, None


class Import:
    """Weights of others, compared with what they are to become; nothing is read of them yet.

    Attributes:
        match: what ``report`` says of the tensors.
    """

    def __init__(self, name: Path | str, names: Path, statistics: Path):
        """Compare.

        Args:
            name: a folder with safetensors, or ``owner/model`` on the hub.
            names: a ``NameMap``. statistics: a JSON file of ``Quantiles``, robot -> action.
        Raises:
            QwenVlaError: one of the files is unusable, or the statistics do not fit a robot.
        """
        self.map = read_yaml(names).check(NameMap, NAMES)
        self.folder = find_folder(name, weights=True)
        backbone = find_folder(self.map.backbone or name, weights=False)
        config = config_around(backbone, self.map.expert, self.map.horizon)
        changes = self.map.model_dump(
            include={"channels", "channel_layout", "euler_steps", "prompt"}
        )
        self.config = QwenVlaConfig.model_validate(config.model_dump() | changes)
        self.tokenizer, _ = tokenizer_with_tags(backbone, self.config)
        self.embodiments = _embodiments(self.map.robots, read_json(statistics), statistics)
        self.model = build_empty(self.config, backbone)
        wanted = dict(self.model.named_parameters())
        self.match = match(self.map.tensors, read_headers(self.folder), wanted)

    def write(self, out: Path) -> None:
        """Read the tensors and write the checkpoint, whole or not at all.

        Raises:
            QwenVlaError: the match is not complete, memory is short, a tensor is NaN or infinite,
                or ``out`` holds something already or cannot be written.
        """
        if not self.match.complete:
            raise CheckpointError(
                "nothing was written: every parameter needs its tensor; mend the rules of the map"
            )
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise QwenVlaError(f"{out} holds something already; choose another folder")
        require_memory(self.model, "bfloat16", torch.device("cpu"))
        for target, pieces in self.match.found.items():
            tensors = []
            for piece in pieces:
                with opened(piece.file) as file:
                    tensors.append(file.get_tensor(piece.key))
            tensor = tensors[0] if len(tensors) == 1 else torch.cat(tensors)
            device = torch.device("cpu")
            place(self.model, target, tensor, device, "bfloat16", pieces[0].file)
        partial = out.with_name(f".{out.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            story = {
                "imported": {"from": str(self.folder), "map": self.map.model_dump(mode="json")}
            }
            save_pretrained(partial, self.model, self.tokenizer, self.embodiments, story)
            if out.exists():
                out.rmdir()  # it is empty
            partial.rename(out)
        except OSError as error:
            raise QwenVlaError(f"{out} cannot be written: {error.strerror}") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _embodiments(
    robots: Sequence[ImportedRobot], statistics: Mapping[str, Any], file: Path
) -> dict[str, dict]:
    """What the checkpoint stores of each robot.

    Raises:
        QwenVlaError: its statistics are missing, of other channels, or outside of its range.
    """
    known = {}
    for one in robots:
        robot = load_embodiment(one.embodiment)
        if one.view:
            robot = with_views(robot, [one.view] * len(robot.cameras))
        entry = statistics.get(one.statistics)
        try:
            quantiles = Quantiles.model_validate(entry["action"])
        except (TypeError, KeyError, ValueError) as error:
            raise QwenVlaError(
                f'{file}: {one.statistics}: needs {{"action": {{"q01": [...], "q99": [...]}}}}; '
                f"it has the keys {', '.join(statistics)}"
            ) from error
        space = _space(robot, quantiles, one.actions, f"{file}: {one.statistics}")
        known[robot.name] = {
            **embodiment_signature(robot),
            "action_space": space.model_dump(),
            "instructions": [],
        }
    return known


def _space(robot: Embodiment, quantiles: Quantiles, counting: Counting, where: str) -> ActionSpace:
    """The action space of quantiles in the robot's units, the same for all steps."""
    relations = relations_of(robot, counting)
    groups = robot.groups
    lowest = np.array([q for g in groups for q in g.action_normalization.q01])
    highest = np.array([q for g in groups for q in g.action_normalization.q99])
    low, high = np.array(quantiles.q01), np.array(quantiles.q99)
    if low.shape != lowest.shape or high.shape != lowest.shape:
        raise QwenVlaError(
            f"{where}: {len(low)} and {len(high)} numbers; the actions of {robot.name} are "
            f"{', '.join(robot.action_channels)}"
        )
    scale = 2.0 / (highest - lowest)
    counted = np.isin(relations, ("sum", "offset"))
    zero = np.where(counted, 0.0, lowest + 1.0 / scale)
    low, high = (low - zero) * scale, (high - zero) * scale
    for channel, below, above, moved in zip(
        robot.action_channels, low, high, counted, strict=True
    ):
        if not moved and (below < -1.001 or above > 1.001):
            raise QwenVlaError(
                f"{where}: {channel} goes beyond q01 and q99 of {robot.name}, outside of which "
                "nothing is commanded; widen action_normalization in its YAML file"
            )
    still = high - low < STILL_RANGE
    low, high = np.where(still, -1.0, low).tolist(), np.where(still, 1.0, high).tolist()
    return ActionSpace(
        relations=relations,
        q01=(tuple(low),) * robot.horizon,
        q99=(tuple(high),) * robot.horizon,
        clip=counting.clip,
    )
