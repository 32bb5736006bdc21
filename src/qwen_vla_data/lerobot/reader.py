"""Reads a LeRobot dataset as episodes of a robot that we know."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from qwen_vla_core.embodiment import Camera, EmbodimentCodec
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.observation import resize_view

from ..episode import Episode
from ..images import encode_png
from ..plans import commands_of
from .columns import MODES
from .layout import (
    ACTION,
    COMMANDED,
    IMAGES,
    INTERVENTION,
    MODE,
    OBSERVED,
    PLAN,
    PLAN_VALID,
    POSITIONS,
    STAMP,
    STATE,
    SUCCESS,
    TASKS,
    VIDEOS,
    names_of,
    read_info,
)
from .video import decode_video

USED = (STATE, ACTION, COMMANDED, POSITIONS, STAMP, MODE, INTERVENTION, SUCCESS, OBSERVED)
USED += (PLAN, PLAN_VALID, "task_index")
"""Columns that are read where they are there, beside the images."""
VIDEO = {"dtype": "video"}


class LeRobotFolder:
    """A dataset on this machine.

    Attributes:
        folder: its path.
        info: its ``info.json``.
    """

    def __init__(self, folder: Path) -> None:
        """Read what the dataset says of itself.

        Raises:
            QwenVlaError: it is no dataset of version 3, or a table is missing or damaged.
        """
        self.folder, self.info = folder, read_info(folder)
        self._rows = read_episode_rows(folder)
        if len(self._rows) != self.info["total_episodes"]:
            raise QwenVlaError(
                f"{folder}: info.json counts {self.info['total_episodes']} episodes, "
                f"meta/episodes {len(self._rows)}; fetch or export it again"
            )
        self._tasks = {row["task_index"]: row["task"] for row in _tasks(folder)}

    def __len__(self) -> int:
        """How many episodes there are."""
        return len(self._rows)

    @property
    def robot_type(self) -> str:
        """What the dataset calls its robot; "" where it does not say."""
        return str(self.info.get("robot_type") or "")

    def load(self, number: int, codec: EmbodimentCodec, *, views: bool = True) -> Episode:
        """One episode.

        Args:
            number: of the episode, from 0 on.
            codec: of the robot whose episode it is to be; its joints and channels are found by
                name, its cameras as ``observation.images.<name>``.
            views: images out of videos have the size at which the model sees them, which is
                quicker; without, their own. Images in tables stay as they are.
        Raises:
            QwenVlaError: a joint, channel or camera is missing, the rates do not fit each other,
                or a file is missing or damaged.
        """
        return _Reader(self, codec, self._rows[number]).episode(self._tasks, views)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Frames:
    """The table of one episode, thinned to the robot's action steps."""

    table: pa.Table
    every: int

    def numbers(self, key: str) -> np.ndarray | None:
        """A column as [T, n]; None where the dataset has no such column."""
        if key not in self.table.column_names:
            return None
        column = self.table[key].combine_chunks()
        if pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type):
            flat = column.flatten().to_numpy(zero_copy_only=False)
            return flat.reshape(len(column), -1)
        return column.to_numpy(zero_copy_only=False)[:, None]

    def thinned(self, key: str) -> np.ndarray | None:
        """As ``numbers``, at action steps."""
        values = self.numbers(key)
        return None if values is None else values[:: self.every]


class _Reader:
    """One episode of one dataset for one robot."""

    def __init__(self, dataset: LeRobotFolder, codec: EmbodimentCodec, row: dict) -> None:
        self._dataset, self._codec, self._row = dataset, codec, row
        self._robot, self._features = codec.embodiment, dataset.info["features"]
        self._where = f"{dataset.folder} episode {row['episode_index']}"

    def episode(self, tasks: dict[int, str], views: bool) -> Episode:
        fps, robot = float(self._dataset.info["fps"]), self._robot
        planned = PLAN in self._features
        stride, every = self._steps(fps, planned)
        frames = self._frames(every)
        positions_TD = self._joint_positions(frames)
        states_TS = self._states(frames, positions_TD)
        commanded_TD = self._commanded(frames, states_TS, positions_TD, fps)[::every]
        task_index = frames.table["task_index"][0].as_py()
        if task_index not in tasks:
            raise QwenVlaError(f"{self._where}: task {task_index} is not in {TASKS}")
        length = len(frames.table)
        return Episode(
            embodiment=robot.name,
            stride=stride,
            instructions=(tasks[task_index],),
            images=self._images(frames, length, every, fps, views),
            states_TS=states_TS[::every].astype(np.float32),
            commanded_TD=commanded_TD.astype(np.float32),
            positions_TD=None if positions_TD is None else positions_TD[::every].astype(float),
            **self._labels(frames),
            **self._plans(frames, planned),
        )

    def _steps(self, fps: float, planned: bool) -> tuple[int, int]:
        """Action steps from one frame to the next, and which frames are taken."""
        ratio = fps / self._robot.action_hz
        if ratio >= 1.0 and abs(ratio - round(ratio)) < 1e-6:
            return 1, round(ratio)
        if planned and abs(1.0 / ratio - round(1.0 / ratio)) < 1e-6:
            return round(1.0 / ratio), 1
        raise QwenVlaError(
            f"{self._dataset.folder} has {fps:g} frames a second, and {self._robot.name} acts at "
            f"{self._robot.action_hz:g} Hz: the first must be a whole multiple of the second (set "
            "action_hz in the embodiment file)"
        )

    def _frames(self, every: int) -> _Frames:
        row = self._row
        path = self._dataset.folder / self._dataset.info["data_path"].format(
            chunk_index=row["data/chunk_index"], file_index=row["data/file_index"]
        )
        number = row["episode_index"]
        cameras = [f"{IMAGES}{camera.name}" for camera in self._robot.cameras]
        wanted = [k for k in (*USED, *cameras) if self._features.get(k, VIDEO)["dtype"] != "video"]
        table = read_table(path, wanted, pc.field("episode_index") == number)
        if len(table) != row["length"]:
            raise QwenVlaError(
                f"{path} has {len(table)} of {row['length']} frames of episode {number}; fetch or "
                "export it again"
            )
        return _Frames(table=table, every=every)

    # --- numbers

    def _picked(self, frames: _Frames, key: str, wanted: Sequence[str]) -> np.ndarray | None:
        """Columns of a feature by their names, [T, n]; None where one of them is missing."""
        if key not in self._features:
            return None
        names = names_of(self._features[key])
        if not set(wanted) <= set(names):
            return None
        return frames.numbers(key)[:, [names.index(name) for name in wanted]]

    def _joint_positions(self, frames: _Frames) -> np.ndarray | None:
        """What was measured, [T, D]: said as such, or because the state is joint positions."""
        robot = self._robot
        found = self._picked(frames, POSITIONS, robot.joint_names)
        if found is not None or robot.state_channels == robot.joint_names:
            return found
        return self._picked(frames, STATE, robot.joint_names)

    def _states(self, frames: _Frames, positions_TD: np.ndarray | None) -> np.ndarray:
        channels = self._robot.state_channels
        if not channels:
            return np.zeros((len(frames.table), 0), np.float32)
        found = self._picked(frames, STATE, channels)
        if found is not None:
            return found
        if positions_TD is not None:
            return np.stack([self._codec.state(positions_D) for positions_D in positions_TD])
        raise self._lacks(STATE, channels)

    def _commanded(
        self,
        frames: _Frames,
        states_TS: np.ndarray,
        positions_TD: np.ndarray | None,
        fps: float,
    ) -> np.ndarray:
        robot = self._robot
        found = self._picked(frames, COMMANDED, robot.joint_names)
        if found is not None:
            return found
        actions_TC = self._picked(frames, ACTION, robot.action_channels)
        if actions_TC is None:
            raise self._lacks(ACTION, robot.action_channels)
        if positions_TD is not None:
            first_D = positions_TD[0]
        else:
            first_D = self._codec.positions(states_TS[0], np.array(robot.start_D))
        return commands_of(actions_TC, first_D, robot, 1.0 / fps)

    def _lacks(self, key: str, wanted: Sequence[str]) -> QwenVlaError:
        names = names_of(self._features.get(key, {}))
        missing = [name for name in wanted if name not in names]
        if not names:
            return QwenVlaError(
                f"{self._dataset.folder}: {key} has no names, and joints are matched by name; "
                f"write them into meta/info.json, such as {list(wanted)}"
            )
        return QwenVlaError(
            f"{self._dataset.folder}: {key} lacks {', '.join(missing)} of {self._robot.name}; it "
            f"has {', '.join(names)}"
        )

    def _labels(self, frames: _Frames) -> dict[str, Any]:
        """Stamps, modes, interventions and the outcome, as far as they are there."""
        stamps, modes = frames.thinned(STAMP), frames.thinned(MODE)
        interventions, success = frames.thinned(INTERVENTION), frames.thinned(SUCCESS)
        observed = frames.thinned(OBSERVED)
        return {
            "stamps_T": None if stamps is None else stamps[:, 0].astype(float),
            "modes_T": None if modes is None else np.array([MODES[m] for m in modes[:, 0]]),
            "interventions_T": None if interventions is None else interventions[:, 0].astype(bool),
            "observed_T": None if observed is None or observed.all() else observed[:, 0] > 0,
            "success": None if success is None or success[-1, 0] < 0 else bool(success[-1, 0]),
        }

    def _plans(self, frames: _Frames, planned: bool) -> dict[str, np.ndarray]:
        if not planned:
            return {}
        channels, horizon = len(self._robot.action_channels), self._robot.horizon
        plans, valid = frames.thinned(PLAN), frames.thinned(PLAN_VALID)
        if plans.shape[1] != horizon * channels:
            raise QwenVlaError(
                f"{self._dataset.folder}: its plans have {plans.shape[1]} numbers, those of "
                f"{self._robot.name} {horizon} steps of {channels} channels"
            )
        shape = (1, len(plans), horizon, channels)
        return {"actions_NTHC": plans.reshape(shape), "valid_NTH": valid.astype(bool)[None]}

    # --- images

    def _images(
        self, frames: _Frames, length: int, every: int, fps: float, views: bool
    ) -> dict[str, tuple[bytes, ...]]:
        images = {}
        for camera in self._robot.cameras:
            key = f"{IMAGES}{camera.name}"
            if key not in self._features:
                if camera.optional:
                    continue
                there = [k.removeprefix(IMAGES) for k in self._features if k.startswith(IMAGES)]
                raise QwenVlaError(
                    f"{self._dataset.folder} has no camera {camera.name} of {self._robot.name}; "
                    f"it has {', '.join(there) or 'none'} (call the embodiment's cameras so)"
                )
            if self._features[key]["dtype"] == "image":
                stored = frames.table[key].to_pylist()[::every]
                images[camera.name] = tuple(encoded["bytes"] or b"" for encoded in stored)
            else:
                images[camera.name] = self._film(key, camera, length, every, fps, views)
        return images

    def _film(
        self, key: str, camera: Camera, length: int, every: int, fps: float, views: bool
    ) -> tuple[bytes, ...]:
        row = self._row
        path = self._dataset.folder / (self._dataset.info.get("video_path") or VIDEOS).format(
            video_key=key,
            chunk_index=row[f"videos/{key}/chunk_index"],
            file_index=row[f"videos/{key}/file_index"],
        )
        start_s, encoded = row[f"videos/{key}/from_timestamp"], []
        for t, image in enumerate(decode_video(path, start_s, length, fps)):
            if t % every == 0:
                encoded.append(encode_png(resize_view(image, camera) if views else image))
        return tuple(encoded)


def read_episode_rows(folder: Path) -> list[dict[str, Any]]:
    """The table of episodes without their statistics, in the order of the episodes.

    Raises:
        QwenVlaError: it is missing or damaged.
    """
    table = read_table(folder / "meta" / "episodes")
    kept = table.select([key for key in table.column_names if not key.startswith("stats/")])
    return sorted(kept.to_pylist(), key=lambda row: row["episode_index"])


def _tasks(folder: Path) -> list[dict[str, Any]]:
    rows = read_table(folder / TASKS).to_pylist()
    # pandas calls an index without a name so.
    return [
        {"task_index": row["task_index"], "task": row.get("task", row.get("__index_level_0__"))}
        for row in rows
    ]


def read_table(
    path: Path, columns: Sequence[str] | None = None, rows: pc.Expression | None = None
) -> pa.Table:
    """A parquet file, or all below a folder.

    Raises:
        QwenVlaError: it is missing or damaged, or lacks a column.
    """
    try:
        return pq.read_table(path, columns=columns, filters=rows)
    except FileNotFoundError as error:
        raise QwenVlaError(f"{path} is missing; fetch or export the dataset again") from error
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise QwenVlaError(f"{path} cannot be read: {reason}") from error
