"""One episode of a dataset, ready to take its place: what parallel processes make.

Which number an episode has, and how many frames stand before it, is known only when all are
there. Until then each is a table and its videos below ``UNFINISHED``, named after what they were
made of, so that an interrupted export goes on where it was.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.whole_file import write_whole

from ..episode import Episode
from ..images import decode_image
from .arrow import arrow_type
from .columns import Column, columns_of
from .layout import IMAGES, feature
from .statistics import Statistics, of_images, of_numbers, sampled, thinned
from .video import CODEC, PIXELS, encode_video

UNFINISHED = ".unfinished"
_METADATA = b"qwen_vla"


@dataclass(frozen=True, kw_only=True)
class Staged:
    """What is known of one staged episode.

    Attributes:
        name: of its files below ``UNFINISHED``.
        length: frames. fps: of them in a second.
        task: its instruction; of several the one that was followed.
        sentences: how many instructions it had.
        features: column -> its description in ``info.json``.
        statistics: column -> its statistics.
    """

    name: str
    length: int
    fps: int
    task: str
    sentences: int
    features: dict[str, dict]
    statistics: dict[str, Statistics]

    def table_path(self, folder: Path) -> Path:
        """Its table; it is written last, so where it is the videos are."""
        return _table(folder, self.name)

    def video_path(self, folder: Path, feature_name: str) -> Path:
        """Its video of one camera."""
        return _video(folder, self.name, feature_name)


def staging_name(*made_of: object) -> str:
    """A name that tells these circumstances from any other."""
    return hashlib.sha256(repr(made_of).encode()).hexdigest()[:24]


def find_staged(folder: Path, name: str) -> Staged | None:
    """What an earlier run made; None where it is not whole."""
    try:
        metadata = pq.read_schema(_table(folder, name)).metadata[_METADATA]
        return Staged(**json.loads(metadata))
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException):
        return None


def stage(
    episode: Episode, codec: EmbodimentCodec, folder: Path, name: str, *, exact: bool
) -> Staged:
    """Make the files of one episode.

    Args:
        folder: of the dataset.
        exact: images are kept as they are, inside the table; those of depth cameras always are,
            because the mean of two colours is a depth that nothing has.
    Raises:
        QwenVlaError: the episode is another robot's, empty, lacks a camera, holds a damaged
            image or numbers that are not finite, its rate is no whole number, or nothing can be
            written.
    """
    robot = codec.embodiment
    if not len(episode.states_TS):
        raise QwenVlaError("the episode is empty")
    fps = _frame_rate(robot, episode.stride)
    columns = columns_of(episode, codec)
    _check_numbers(columns)
    features = {
        key: feature(
            str(column.values_TN.dtype),
            column.values_TN.shape[1:],
            column.names or _names(key, column),
        )
        for key, column in columns.items()
    }
    statistics = {key: of_numbers(column.values_TN) for key, column in columns.items()}
    arrays = {key: _array(column, features[key]) for key, column in columns.items()}
    (folder / UNFINISHED).mkdir(parents=True, exist_ok=True)
    for camera in robot.cameras:
        key = f"{IMAGES}{camera.name}"
        if camera.name not in episode.images:
            if camera.optional:
                continue
            raise QwenVlaError(f"no images of camera {camera.name}")
        encoded = episode.images[camera.name]
        if exact or camera.is_depth:
            size = _measure_images(encoded, camera.name, statistics, key)
            features[key] = feature("image", [*size, 3], ["height", "width", "channels"])
            rows = [{"bytes": data, "path": None} for data in encoded]
            arrays[key] = pa.array(rows, arrow_type(features[key]))
        else:
            path = _video(folder, name, key)
            size = _film(encoded, camera.name, statistics, key, path, fps)
            features[key] = feature("video", [*size, 3], ["height", "width", "channels"])
            features[key]["info"] = {
                "video.height": size[0],
                "video.width": size[1],
                "video.codec": CODEC,
                "video.pix_fmt": PIXELS,
                "video.is_depth_map": False,
                "video.fps": fps,
                "video.channels": 3,
                "has_audio": False,
            }
    staged = Staged(
        name=name,
        length=len(episode.states_TS),
        fps=fps,
        sentences=len(episode.instructions),
        task=episode.instructions[0],
        features=features,
        statistics=statistics,
    )
    table = pa.table(arrays).replace_schema_metadata({_METADATA: json.dumps(asdict(staged))})
    with write_whole(_table(folder, name)) as partial:
        pq.write_table(table, partial)
    return staged


def _frame_rate(robot: Embodiment, stride: int) -> int:
    fps = robot.action_hz / stride
    if abs(fps - round(fps)) > 1e-9:
        raise QwenVlaError(
            f"{robot.name} acts at {robot.action_hz:g} Hz, of which every {stride}th step is "
            f"recorded: {fps:g} frames a second, and LeRobot wants a whole number"
        )
    return round(fps)


def _table(folder: Path, name: str) -> Path:
    return folder / UNFINISHED / f"{name}.parquet"


def _video(folder: Path, name: str, key: str) -> Path:
    return folder / UNFINISHED / f"{name}.{key}.mp4"


def _names(key: str, column: Column) -> list[str] | None:
    """LeRobot names what is one number after its column."""
    return [key] if column.values_TN.shape[1] == 1 else None


def _check_numbers(columns: dict[str, Column]) -> None:
    for key, column in columns.items():
        if column.values_TN.dtype.kind == "f" and not np.isfinite(column.values_TN).all():
            row, place = np.argwhere(~np.isfinite(column.values_TN))[0]
            which = f"{key} {column.names[place]}" if column.names else key
            raise QwenVlaError(f"{which} at step {row} is NaN or infinite")


def _array(column: Column, described: dict) -> pa.Array:
    kind = arrow_type(described)
    values = column.values_TN
    if values.shape[1] == 1:
        return pa.array(values[:, 0], kind)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel(), kind.value_type), type=kind)


def _measure_images(
    encoded: Sequence[bytes], camera: str, statistics: dict[str, Statistics], key: str
) -> tuple[int, int]:
    """Statistics of images that stay as they are; their size."""
    images = [decode_image(encoded[t], _which(camera, t)) for t in sampled(len(encoded))]
    sizes = {image.shape[:2] for image in images}
    if len(sizes) > 1:
        raise QwenVlaError(f"images of camera {camera} change their size: {sorted(sizes)}")
    statistics[key] = of_images([thinned(image) for image in images])
    return images[0].shape[:2]


def _film(
    encoded: Sequence[bytes],
    camera: str,
    statistics: dict[str, Statistics],
    key: str,
    path: Path,
    fps: int,
) -> tuple[int, int]:
    """Encode the images; statistics of them, and their size."""
    looked_at, seen, sizes = set(sampled(len(encoded))), [], set()

    def images():
        for t, data in enumerate(encoded):
            image = decode_image(data, _which(camera, t))
            sizes.add(image.shape[:2])
            if len(sizes) > 1:
                raise QwenVlaError(f"images of camera {camera} change their size: {sorted(sizes)}")
            if t in looked_at:
                seen.append(thinned(image))
            yield image

    with write_whole(path) as partial:
        encode_video(partial, images(), fps)
    statistics[key] = of_images(seen)
    ((height, width),) = sizes
    return height // 2 * 2, width // 2 * 2


def _which(camera: str, t: int) -> str:
    return f"image {t} of camera {camera}"
