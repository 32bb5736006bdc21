"""Where everything stands in a LeRobot dataset, and what its tables are called."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qwen_vla_core.errors import QwenVlaError

VERSION = "v3.0"
INFO = "meta/info.json"
STATS = "meta/stats.json"
TASKS = "meta/tasks.parquet"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEOS = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"

CHUNK_FILES = 1000
"""Files in one folder at most."""
DATA_FILE_MB, VIDEO_FILE_MB = 100, 200

IMAGES = "observation.images."
STATE, ACTION = "observation.state", "action"
# Ours. Not below "observation.": LeRobot's policies take whatever stands there as an input.
COMMANDED, POSITIONS = "commanded", "positions"
STAMP, MODE, INTERVENTION, SUCCESS = "stamp", "mode", "intervention", "success"
OBSERVED = "observed"
PLAN, PLAN_VALID = "plan", "plan_valid"

INDICES: dict[str, str] = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}
"""The columns that every dataset has -> their type."""

STATISTICS = ("min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99")

CONVERT_V2 = (
    "convert it with LeRobot itself: python -m lerobot.scripts.convert_dataset_v21_to_v30 "
    "--repo-id=<owner>/<name> --root=<folder> --push-to-hub=false"
)


def file_place(number: int) -> dict[str, int]:
    """``chunk_index`` and ``file_index`` of the ``number``-th file."""
    return {"chunk_index": number // CHUNK_FILES, "file_index": number % CHUNK_FILES}


def feature(dtype: str, shape: Sequence[int], names: Sequence[str] | None) -> dict[str, Any]:
    """A column as ``info.json`` describes it."""
    return {"dtype": dtype, "shape": list(shape), "names": None if names is None else list(names)}


def read_info(folder: Path) -> dict[str, Any]:
    """``info.json``, checked as far as reading needs it.

    Raises:
        QwenVlaError: there is none, it is of another version, or it lacks something.
    """
    path = folder / INFO
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        version = str(info["codebase_version"])
        if version.startswith(("v1", "v2")):
            raise QwenVlaError(f"{folder} is a LeRobot dataset {version}; {CONVERT_V2}")
        if not version.startswith("v3"):
            raise QwenVlaError(f"{path}: version {version}; this program reads {VERSION}")
        if not info["fps"] > 0:
            raise QwenVlaError(f"{path}: fps is {info['fps']}; it must be above 0")
        for key in ("features", "total_episodes", "total_frames", "data_path"):
            info[key]
        for described in info["features"].values():
            described["dtype"], described["shape"]
    except FileNotFoundError as error:
        raise QwenVlaError(f"{folder} is no LeRobot dataset: it has no {INFO}") from error
    except OSError as error:
        raise QwenVlaError(f"{path} cannot be read: {error.strerror or error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise QwenVlaError(f"{path}: not a readable description ({error!r})") from error
    return info


def names_of(described: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of a column's numbers, without the ``.pos`` that LeRobot's own robots add.

    Datasets have a list, or a map of one or more lists (``{"motors": [...]}``); () without any.
    """
    names = described.get("names")
    if isinstance(names, Mapping):
        names = [name for part in names.values() for name in part]
    return tuple(str(name).removesuffix(".pos") for name in names or ())
