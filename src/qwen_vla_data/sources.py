"""Where episodes are: the one place that tells the kinds of files and folders apart."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_core.errors import QwenVlaError

from .episode import Episode
from .lerobot.layout import INFO
from .plans import check_robot

if TYPE_CHECKING:
    from .lerobot.reader import LeRobotFolder
    from .recording.reader import Recording

EPISODE, RECORDING = ".npz", ".mcap"


@dataclass(frozen=True, kw_only=True)
class EpisodeSource:
    """One episode on this machine.

    Attributes:
        path: an episode file of ours, a recording, or a LeRobot folder.
        number: of the episode in that folder; None for a file, which is one.
    """

    path: Path
    number: int | None = None

    def __str__(self) -> str:
        """As messages call it."""
        return str(self.path) if self.number is None else f"{self.path} episode {self.number}"

    @property
    def name(self) -> str:
        """A short name, for files that are made of it."""
        return self.path.stem if self.number is None else f"{self.path.name}_{self.number:06d}"

    @property
    def robot(self) -> str:
        """Name of the robot it was recorded on; "" where nobody wrote it down.

        Raises:
            QwenVlaError: it cannot be read.
        """
        if self.number is not None:
            return _dataset(self.path).robot_type
        if self.path.suffix == RECORDING:
            return _recording(self.path).start.embodiment
        return Episode.load(self.path).embodiment

    def fingerprint(self) -> tuple[str, int | None, int, int]:
        """Changes with the episode: its place, and size and time of the file that says so."""
        status = (self.path if self.number is None else self.path / INFO).stat()
        return str(self.path.resolve()), self.number, status.st_size, status.st_mtime_ns

    def load(self, codec: EmbodimentCodec, *, views: bool = True) -> Episode:
        """Read it for a robot.

        Args:
            views: images may come at the size at which the model sees them.
        Raises:
            QwenVlaError: it is damaged or another robot's; the message names it.
        """
        if self.number is not None:
            return _dataset(self.path).load(self.number, codec, views=views)
        if self.path.suffix == RECORDING:
            from .recording.as_episode import episode_of

            return episode_of(_recording(self.path), codec, views=views)
        episode = Episode.load(self.path)
        try:
            check_robot(episode, codec)
        except QwenVlaError as error:
            raise QwenVlaError(f"{self}: {error}") from error
        return episode


def find_episodes(path: Path) -> list[EpisodeSource]:
    """The episodes that a path holds, in the order of their names.

    A path is an episode file, a recording, a LeRobot folder, or a folder of files.

    Raises:
        QwenVlaError: there is nothing of the kind; the message says what was looked for.
    """
    if (path / "meta").is_dir():
        return [EpisodeSource(path=path, number=n) for n in range(len(_dataset(path)))]
    if path.is_dir():
        if found := sorted([*path.glob(f"*{EPISODE}"), *path.glob(f"*{RECORDING}")]):
            return [EpisodeSource(path=file) for file in found]
        raise QwenVlaError(
            f"{path} holds no episodes: neither *{EPISODE} or *{RECORDING} files nor a LeRobot "
            f"dataset ({INFO})"
        )
    if not path.exists():
        raise QwenVlaError(f"{path}: no such file or folder")
    if path.suffix not in (EPISODE, RECORDING):
        raise QwenVlaError(
            f"{path} is no episode: an episode is a *{EPISODE} or *{RECORDING} file or part of a "
            "LeRobot folder"
        )
    return [EpisodeSource(path=path)]


def is_recorded(name: str) -> bool:
    """Whether a path names episodes, and not a checkpoint, a hub's name or a server."""
    path, _ = _split(name)
    return path.suffix in (EPISODE, RECORDING) or (path / INFO).is_file()


def find_episode(name: str) -> EpisodeSource:
    """One episode: a file, or ``folder:7`` for one of a LeRobot dataset.

    Raises:
        QwenVlaError: there is none, or there are several to choose from.
    """
    path, number = _split(name)
    found = find_episodes(path)
    if number is None and len(found) > 1:
        raise QwenVlaError(f"{path} holds {len(found)} episodes; name one, such as {path}:0")
    if (number or 0) >= len(found):
        raise QwenVlaError(f"{path} has no episode {number}; there are {len(found)}, from 0 on")
    return found[number or 0]


def find_named(names: Iterable[str]) -> list[EpisodeSource]:
    """As ``find_all``; ``folder:7`` is one episode.

    Raises:
        QwenVlaError: as ``find_episode``.
    """
    found = []
    for name in names:
        path, number = _split(name)
        found += find_episodes(path) if number is None else [find_episode(name)]
    return _each_once(found)


def _split(name: str) -> tuple[Path, int | None]:
    folder, _, number = name.rpartition(":")
    if folder and number.isdecimal() and not Path(name).exists():
        return Path(folder), int(number)
    return Path(name), None


def find_all(paths: Iterable[Path]) -> list[EpisodeSource]:
    """The episodes of several paths, one after the other.

    Raises:
        QwenVlaError: as ``find_episodes``, or an episode is there twice.
    """
    return _each_once([source for path in paths for source in find_episodes(path)])


def _each_once(found: list[EpisodeSource]) -> list[EpisodeSource]:
    places = [(source.path.resolve(), source.number) for source in found]
    for place, source in zip(places, found, strict=True):
        if places.count(place) > 1:
            raise QwenVlaError(f"{source} was named twice")
    return found


def _recording(path: Path) -> "Recording":
    from .recording.reader import open_recording

    return open_recording(path)


@lru_cache(maxsize=8)
def _dataset(folder: Path) -> "LeRobotFolder":
    from .lerobot.reader import LeRobotFolder  # its libraries take a second, where files need none

    return LeRobotFolder(folder)
