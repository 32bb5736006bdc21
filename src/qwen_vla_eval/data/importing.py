"""Other programs' datasets as episode files of ours, in parallel; what is there stays."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_data.aloha_hdf5 import read_aloha_hdf5
from qwen_vla_data.episode import Episode
from qwen_vla_data.sources import EPISODE, EpisodeSource, find_episodes

from .each_episode import each_episode

HDF5 = (".hdf5", ".h5")


@dataclass(frozen=True, kw_only=True)
class Hdf5Source(EpisodeSource):
    """A file of an ALOHA, whose instruction and colours a person has to say."""

    instruction: str
    bgr: bool = False

    @property
    def robot(self) -> str:
        """Whose files these are."""
        return "aloha"

    def load(self, codec: EmbodimentCodec, *, views: bool = True) -> Episode:
        """Read it; images have the size at which the model sees them."""
        return read_aloha_hdf5(self.path, codec, self.instruction, bgr=self.bgr)


def find_foreign(path: Path, instruction: str | None, bgr: bool) -> Sequence[EpisodeSource]:
    """The episodes of a LeRobot folder, or of ALOHA's HDF5 files.

    Raises:
        QwenVlaError: there are none, or they need an instruction.
    """
    files = [path] if path.suffix in HDF5 and path.is_file() else []
    if path.is_dir() and not (path / "meta").is_dir():
        files = sorted(file for file in path.glob("*") if file.suffix in HDF5)
    if not files:
        found = find_episodes(path)
        if found[0].number is None:
            raise QwenVlaError(f"{path} holds episodes of this program already")
        if instruction is not None:
            raise QwenVlaError(f"{path} has instructions of its own; leave out --instruction")
        return found
    if instruction is None:
        raise QwenVlaError(
            f"{path}: files of an ALOHA do not say what was done; add --instruction '...'"
        )
    return [Hdf5Source(path=file, instruction=instruction, bgr=bgr) for file in files]


def import_episodes(
    sources: Sequence[EpisodeSource], robot: Embodiment, out: Path, workers: int
) -> list[str]:
    """Write an episode file for each that ``out`` lacks.

    Returns:
        What there is now, in lines for a person.
    Raises:
        QwenVlaError: an episode cannot be read or written, or two would have the same name.
    """
    names = [source.name for source in sources]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise QwenVlaError(f"two episodes would be {out / twice[0]}{EPISODE}; import them apart")
    missing = [source for source in sources if not _file(out, source).exists()]
    if missing:
        for _ in each_episode(partial(_write, out), missing, robot, workers, f"import to {out}"):
            pass
    there = len(sources) - len(missing)
    return [
        f"{len(missing)} episodes were imported, {there} were there already, {len(sources)} are "
        f"in {out}; look at them with: qwen-vla data check {out}"
    ]


def _file(out: Path, source: EpisodeSource) -> Path:
    return out / f"{source.name}{EPISODE}"


def _write(out: Path, source: EpisodeSource, codec: EmbodimentCodec) -> None:
    source.load(codec).save(_file(out, source))
