"""Puts staged episodes into their places: numbers, tables of episodes and tasks, statistics."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.whole_file import cannot_write, write_text_whole, write_whole

from .arrow import arrow_type
from .layout import (
    CHUNK_FILES,
    DATA,
    DATA_FILE_MB,
    EPISODES,
    INDICES,
    INFO,
    STATS,
    TASKS,
    VERSION,
    VIDEO_FILE_MB,
    VIDEOS,
    feature,
    file_place,
)
from .staging import UNFINISHED, Staged
from .statistics import Statistics, of_numbers, together


def shared_features(episodes: Sequence[Staged]) -> tuple[dict[str, dict], list[str]]:
    """Descriptions of the columns that every episode has, and the names of the others.

    Raises:
        QwenVlaError: an episode has another rate, or a column another type, size or names.
    """
    first = episodes[0]
    for number, episode in enumerate(episodes):
        if episode.fps != first.fps:
            raise QwenVlaError(
                f"episode {number} has {episode.fps} frames a second, episode 0 {first.fps}; "
                "export them into separate folders"
            )
    shared = {
        key: described
        for key, described in first.features.items()
        if all(key in episode.features for episode in episodes)
    }
    for number, episode in enumerate(episodes):
        for key, described in shared.items():
            if episode.features[key] != described:
                raise QwenVlaError(
                    f"{key} of episode {number} ({_text(episode.features[key])}) is not as that "
                    f"of episode 0 ({_text(described)}); export them into separate folders"
                )
    partial = {key for episode in episodes for key in episode.features} - shared.keys()
    return shared, sorted(partial)


def assemble(folder: Path, episodes: Sequence[Staged], robot_type: str) -> list[str]:
    """Make the dataset of staged episodes, in this order; ``info.json`` comes last.

    Each camera's video of each episode is a file of its own.

    Returns:
        Columns that are left out, because not every episode has them.
    Raises:
        QwenVlaError: the episodes do not fit each other, or something cannot be written.
    """
    features, left_out = shared_features(episodes)
    fps = episodes[0].fps
    tasks = {task: number for number, task in enumerate(sorted({e.task for e in episodes}))}
    starts = np.cumsum([0, *(episode.length for episode in episodes)]).tolist()
    rows, indices = [], []
    try:
        places = _write_data(folder, episodes, features, tasks, starts, fps, indices)
        for number, episode in enumerate(episodes):
            rows.append(
                _row(number, episode, features, places[number], starts, fps, indices[number])
            )
        _write_parquet(folder / EPISODES.format(**file_place(0)), pa.Table.from_pylist(rows))
        _write_tasks(folder, list(tasks))
        all_features = {**features, **{k: feature(t, [1], None) for k, t in INDICES.items()}}
        statistics = {key: together([e.statistics[key] for e in episodes]) for key in features} | {
            key: together([row[key] for row in indices]) for key in INDICES
        }
        write_text_whole(folder / STATS, json.dumps(statistics, indent=1))
        for number, episode in enumerate(episodes):
            for key in _videos(features):
                target = folder / VIDEOS.format(video_key=key, **file_place(number))
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(episode.video_path(folder, key), target)
    except OSError as error:
        raise cannot_write(folder, error) from error
    info = {
        "codebase_version": VERSION,
        "robot_type": robot_type,
        "fps": fps,
        "total_episodes": len(episodes),
        "total_frames": starts[-1],
        "total_tasks": len(tasks),
        "chunks_size": CHUNK_FILES,
        "data_files_size_in_mb": DATA_FILE_MB,
        "video_files_size_in_mb": VIDEO_FILE_MB,
        "splits": {"train": f"0:{len(episodes)}"},
        "data_path": DATA,
        "video_path": VIDEOS if _videos(features) else None,
        "features": all_features,
    }
    write_text_whole(folder / INFO, json.dumps(info, indent=1))
    shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
    return left_out


def _write_data(
    folder: Path,
    episodes: Sequence[Staged],
    features: dict[str, dict],
    tasks: dict[str, int],
    starts: Sequence[int],
    fps: int,
    indices: list[dict[str, Statistics]],
) -> list[dict[str, int]]:
    """Tables of all frames, a row group for each episode; which file each episode is in."""
    places, number = [], 0
    while number < len(episodes):
        place, size = file_place(len({tuple(p.items()) for p in places})), 0
        path = folder / DATA.format(**place)
        with write_whole(path) as partial, pq.ParquetWriter(partial, _schema(features)) as writer:
            while number < len(episodes) and size < DATA_FILE_MB * 1e6:
                episode = episodes[number]
                table_path = episode.table_path(folder)
                size += table_path.stat().st_size
                columns = _index_columns(number, episode, tasks, starts, fps)
                indices.append({key: of_numbers(v[:, None]) for key, v in columns.items()})
                table = pq.read_table(table_path).select(
                    [key for key in features if features[key]["dtype"] != "video"]
                )
                for key, values in columns.items():
                    table = table.append_column(key, pa.array(values))
                writer.write_table(table.cast(writer.schema))
                places.append(place)
                number += 1
    return places


def _index_columns(
    number: int, episode: Staged, tasks: dict[str, int], starts: Sequence[int], fps: int
) -> dict[str, np.ndarray]:
    frames = np.arange(episode.length)
    return {
        "timestamp": (frames / fps).astype(np.float32),
        "frame_index": frames,
        "episode_index": np.full(episode.length, number),
        "index": starts[number] + frames,
        "task_index": np.full(episode.length, tasks[episode.task]),
    }


def _schema(features: dict[str, dict]) -> pa.Schema:
    stored = {k: arrow_type(d) for k, d in features.items() if d["dtype"] != "video"}
    stored |= {key: pa.from_numpy_dtype(np.dtype(kind)) for key, kind in INDICES.items()}
    return pa.schema(list(stored.items()))


def _row(
    number: int,
    episode: Staged,
    features: dict[str, dict],
    data_place: dict[str, int],
    starts: Sequence[int],
    fps: int,
    indices: dict[str, Statistics],
) -> dict[str, Any]:
    """What the table of episodes says of one."""
    row: dict[str, Any] = {
        "episode_index": number,
        "tasks": [episode.task],
        "length": episode.length,
        "dataset_from_index": starts[number],
        "dataset_to_index": starts[number + 1],
    }
    row |= {f"data/{key}": value for key, value in data_place.items()}
    row |= {f"meta/episodes/{key}": value for key, value in file_place(0).items()}
    for key in _videos(features):
        row |= {f"videos/{key}/{k}": value for k, value in file_place(number).items()}
        row[f"videos/{key}/from_timestamp"] = 0.0
        row[f"videos/{key}/to_timestamp"] = episode.length / fps
    statistics = {key: episode.statistics[key] for key in features} | indices
    for key, found in statistics.items():
        row |= {f"stats/{key}/{name}": value for name, value in found.items()}
    return row


def _write_tasks(folder: Path, tasks: list[str]) -> None:
    """As pandas writes a table whose index is the text."""
    column = {"numpy_type": "object", "metadata": None}
    pandas = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [
            {"name": "task_index", "field_name": "task_index", "pandas_type": "int64"}
            | {"numpy_type": "int64", "metadata": None},
            {"name": "task", "field_name": "task", "pandas_type": "unicode"} | column,
        ],
    }
    table = pa.table({"task_index": pa.array(range(len(tasks)), pa.int64()), "task": tasks})
    _write_parquet(folder / TASKS, table.replace_schema_metadata({b"pandas": json.dumps(pandas)}))


def _write_parquet(path: Path, table: pa.Table) -> None:
    with write_whole(path) as partial:
        pq.write_table(table, partial)


def _videos(features: dict[str, dict]) -> list[str]:
    return [key for key, described in features.items() if described["dtype"] == "video"]


def _text(described: dict) -> str:
    return f"{described['dtype']} {described['shape']} {described['names'] or ''}".strip()
