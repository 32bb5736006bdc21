"""Whether a folder is a LeRobot dataset that LeRobot itself would load: all that it relies on.

Images are counted and not decoded; ``qwen-vla data check`` looks at what they show.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from qwen_vla_core.errors import QwenVlaError

from .arrow import arrow_type, is_flat
from .layout import DATA, INDICES, INFO, STATISTICS, STATS, TASKS, read_info
from .reader import read_episode_rows, read_table
from .video import read_facts

TIMESTAMP_TOLERANCE_S = 1e-4
"""LeRobot's own: a frame whose time is farther from frame_index / fps stops a training."""


def problems_of(folder: Path) -> list[str]:
    """Everything that is wrong, one line each, with the file's name; [] where it is in order."""
    try:
        return list(_Validator(folder).problems())
    except QwenVlaError as error:  # without it nothing else can be looked at
        return [str(error)]


class _Validator:
    def __init__(self, folder: Path) -> None:
        self._folder, self._info = folder, read_info(folder)
        self._features: dict[str, dict] = self._info["features"]
        self._fps = self._info["fps"]

    def problems(self) -> Iterator[str]:
        yield from self._info_problems()
        rows = read_episode_rows(self._folder)
        tasks = read_table(self._folder / TASKS)
        yield from self._episode_problems(rows)
        yield from self._task_problems(tasks)
        yield from self._data_problems(rows, tasks)
        yield from self._statistics_problems()
        yield from self._video_problems(rows)

    def _info_problems(self) -> Iterator[str]:
        if not isinstance(self._fps, int):
            yield f"{INFO}: fps is {self._fps}, not a whole number"
        for key, kind in INDICES.items():
            described = self._features.get(key)
            if described is None or described["dtype"] != kind or described["shape"] != [1]:
                yield f"{INFO}: {key} is {described}, not one {kind}"
        for key, described in self._features.items():
            names, shape = described.get("names"), described["shape"]
            if isinstance(names, list) and len(shape) == 1 and len(names) != shape[0]:
                yield f"{INFO}: {key} has {len(names)} names for {shape[0]} numbers"
            if described["dtype"] in ("video", "image") and len(shape) != 3:
                yield f"{INFO}: {key} has the shape {shape}, not height, width and channels"

    def _episode_problems(self, rows: list[dict[str, Any]]) -> Iterator[str]:
        where = "meta/episodes"
        if len(rows) != self._info["total_episodes"]:
            yield (
                f"{where} has {len(rows)} episodes, {INFO} counts {self._info['total_episodes']}"
            )
        expected = 0
        for number, row in enumerate(rows):
            if row["episode_index"] != number:
                yield f"{where}: row {number} is episode {row['episode_index']}"
            span = (row["dataset_from_index"], row["dataset_to_index"])
            if span != (expected, expected + row["length"]):
                yield (
                    f"{where}: episode {number} has {row['length']} frames from {expected} on, "
                    f"but its indices are {span[0]} to {span[1]}"
                )
            expected += row["length"]
        if expected != self._info["total_frames"]:
            yield f"{where} has {expected} frames, {INFO} counts {self._info['total_frames']}"

    def _task_problems(self, tasks: pa.Table) -> Iterator[str]:
        if len(tasks) != self._info.get("total_tasks"):
            yield f"{TASKS} has {len(tasks)} tasks, {INFO} counts {self._info.get('total_tasks')}"
        pandas = json.loads((tasks.schema.metadata or {}).get(b"pandas", b"{}"))
        if "task" not in tasks.column_names or pandas.get("index_columns") != ["task"]:
            yield f"{TASKS}: the text is not the index 'task', by which LeRobot finds it"
        if sorted(tasks["task_index"].to_pylist()) != list(range(len(tasks))):
            yield f"{TASKS}: task_index does not count from 0 on"

    def _data_problems(self, rows: list[dict[str, Any]], tasks: pa.Table) -> Iterator[str]:
        stored = {k: d for k, d in self._features.items() if k in INDICES or is_flat(d)}
        start = 0
        for path in self._data_files(rows):
            name = path.relative_to(self._folder)
            schema = _schema(path)
            for key, described in stored.items():
                if key not in schema.names:
                    yield f"{name}: column {key} is missing"
                elif schema.field(key).type != arrow_type(described):
                    yield (
                        f"{name}: {key} is {schema.field(key).type}, {INFO} says "
                        f"{arrow_type(described)}"
                    )
            table = read_table(path, [key for key in INDICES if key in schema.names])
            if len(table.column_names) < len(INDICES):
                continue
            column = {key: table[key].to_numpy() for key in INDICES}
            if not np.array_equal(column["index"], start + np.arange(len(table))):
                yield f"{name}: index does not go on from {start}"
            start += len(table)
            late_T = np.abs(column["timestamp"] - column["frame_index"] / self._fps)
            if late_T.max(initial=0.0) > TIMESTAMP_TOLERANCE_S:
                worst = int(late_T.argmax())
                yield (
                    f"{name}: the timestamp of frame {column['index'][worst]} is "
                    f"{late_T[worst]:.4f} s from frame_index / fps"
                )
            if not set(column["task_index"].tolist()) <= set(tasks["task_index"].to_pylist()):
                yield f"{name}: a task_index is not in {TASKS}"
            for number in np.unique(column["episode_index"]).tolist():
                frames = column["frame_index"][column["episode_index"] == number]
                length = rows[number]["length"] if number < len(rows) else 0
                if not np.array_equal(frames, np.arange(length)):
                    yield (
                        f"{name}: episode {number} has {len(frames)} frames, the table of "
                        f"episodes says {length}; or they do not count from 0 on"
                    )
        if start != self._info["total_frames"]:
            yield f"data has {start} frames, {INFO} counts {self._info['total_frames']}"

    def _data_files(self, rows: list[dict[str, Any]]) -> list[Path]:
        template = self._info.get("data_path", DATA)
        places = [(row["data/chunk_index"], row["data/file_index"]) for row in rows]
        return [
            self._folder / template.format(chunk_index=chunk, file_index=file)
            for chunk, file in dict.fromkeys(places)
        ]

    def _statistics_problems(self) -> Iterator[str]:
        path = self._folder / STATS
        try:
            statistics = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            yield f"{STATS} cannot be read: {error}"
            return
        for key, described in self._features.items():
            if described["dtype"] == "string":
                continue
            found = statistics.get(key, {})
            if missing := [name for name in STATISTICS if name not in found]:
                yield f"{STATS}: {key} lacks {', '.join(missing)}"
                continue
            images = described["dtype"] in ("video", "image")
            wanted = (3, 1, 1) if images else tuple(described["shape"])
            for name in STATISTICS:
                values = np.asarray(found[name], dtype=float)
                if name != "count" and values.shape != wanted:
                    yield f"{STATS}: {name} of {key} has the shape {values.shape}, not {wanted}"
                elif not np.isfinite(values).all():
                    yield f"{STATS}: {name} of {key} is not finite"

    def _video_problems(self, rows: list[dict[str, Any]]) -> Iterator[str]:
        for key in (k for k, d in self._features.items() if d["dtype"] == "video"):
            ends: dict[Path, float] = {}
            for number, row in enumerate(rows):
                start_s, end_s = (row[f"videos/{key}/{end}_timestamp"] for end in ("from", "to"))
                if abs((end_s - start_s) - row["length"] / self._fps) > TIMESTAMP_TOLERANCE_S:
                    yield (
                        f"meta/episodes: {key} of episode {number} lasts {end_s - start_s:g} s, "
                        f"its {row['length']} frames {row['length'] / self._fps:g} s"
                    )
                path = self._folder / self._info["video_path"].format(
                    video_key=key,
                    chunk_index=row[f"videos/{key}/chunk_index"],
                    file_index=row[f"videos/{key}/file_index"],
                )
                ends[path] = max(end_s, ends.get(path, 0.0))
            for path, end_s in ends.items():
                yield from self._file_problems(key, path, end_s)

    def _file_problems(self, key: str, path: Path, end_s: float) -> Iterator[str]:
        name, described = path.relative_to(self._folder), self._features[key]
        try:
            facts = read_facts(path)
        except QwenVlaError as error:
            yield str(error).replace(str(path), str(name))
            return
        height, width, _ = described["shape"]
        if (facts.height, facts.width) != (height, width):
            yield f"{name} is {facts.width} x {facts.height}, {INFO} says {width} x {height}"
        if abs(facts.fps - self._fps) > 1e-3:
            yield f"{name} has {facts.fps:g} frames a second, {INFO} says {self._fps:g}"
        if facts.frames < round(end_s * self._fps):
            yield f"{name} has {facts.frames} frames, its episodes {round(end_s * self._fps)}"


def _schema(path: Path) -> pa.Schema:
    try:
        return pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise QwenVlaError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
