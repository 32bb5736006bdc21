"""What a benchmark gave so far, in one file: it is read again when the command goes on."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qwen_vla_core.errors import QwenVlaError

from ..rates import wilson_interval
from ..tables import Table, write_json

FILE = "results.json"


class Results:
    """All episodes of one policy, settings and benchmark.

    Attributes:
        file: where they are.
        episodes: of each, task, state, instruction, success, steps and what it took.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        """Take up what the folder has.

        Raises:
            QwenVlaError: it has episodes of other settings, or its file is damaged.
        """
        self.file, self._settings = folder / FILE, dict(settings)
        self.episodes: list[dict[str, Any]] = []
        if not self.file.is_file():
            return
        try:
            before = json.loads(self.file.read_text())
            self.episodes = list(before["episodes"])
            found = dict(before["settings"])
        except (ValueError, KeyError, TypeError) as error:
            raise QwenVlaError(f"{self.file}: no results of a benchmark ({error})") from error
        differs = [
            key for key in {**self._settings, **found} if self._settings.get(key) != found.get(key)
        ]
        if differs:
            raise QwenVlaError(
                f"{folder} has results of another {', '.join(sorted(differs))}; choose "
                "another --out"
            )

    def lacks(self, task: str, state: int) -> bool:
        """Whether an episode is still to be carried out."""
        return not any((e["task"], e["state"]) == (task, state) for e in self.episodes)

    def add(self, episode: dict[str, Any]) -> None:
        """Keep one more, at once."""
        self.episodes.append(episode)
        self.episodes.sort(key=lambda e: (e["task"], e["state"]))
        write_json(
            self.file,
            {
                "settings": self._settings,
                "summary": summarize(self.episodes),
                "episodes": self.episodes,
            },
        )


def summarize(episodes: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Success of each task, each suite of several and all, with 95 % Wilson intervals."""
    parts: dict[str, list[Mapping[str, Any]]] = {}
    for episode in episodes:
        suite = episode["task"].partition("/")[0]
        for name in dict.fromkeys((episode["task"], suite)):
            parts.setdefault(name, []).append(episode)
    return {name: _summary(of) for name, of in sorted(parts.items())}


def _summary(episodes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    n, successes = len(episodes), [e for e in episodes if e["success"]]
    rate = len(successes) / n
    asked = [e["infer_ms"] for e in episodes if "infer_ms" in e]
    return {
        "n": n,
        "success_rate": rate,
        "success_interval_95": wilson_interval(rate, n),
        "median_steps": float(np.median([e["steps"] for e in successes])) if successes else None,
        "infer_ms": float(np.median(asked)) if asked else None,
    }


def table(episodes: Sequence[Mapping[str, Any]], title: str) -> Table:
    """Success by task and suite."""
    rows = []
    for name, part in summarize(episodes).items():
        low, high = part["success_interval_95"]
        steps, took = part["median_steps"], part["infer_ms"]
        rows.append(
            (
                name,
                f"{part['n']}",
                f"{part['success_rate']:.1%}",
                f"{low:.0%} to {high:.0%}",
                "none" if steps is None else f"{steps:.0f}",
                "" if took is None else f"{took:.0f}",
            )
        )
    columns = ("task", "episodes", "success", "95 % interval", "median steps", "ms a chunk")
    return Table(title=title, columns=columns, rows=rows)
