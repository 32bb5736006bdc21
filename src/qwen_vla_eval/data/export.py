"""Episodes as a LeRobot dataset: staged in parallel, put together, validated."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_data.lerobot.layout import INFO
from qwen_vla_data.lerobot.staging import UNFINISHED, Staged, find_staged, stage, staging_name
from qwen_vla_data.lerobot.validator import problems_of
from qwen_vla_data.lerobot.writer import assemble
from qwen_vla_data.sources import EpisodeSource

from .each_episode import each_episode


def export_lerobot(
    sources: Sequence[EpisodeSource],
    robot: Embodiment,
    out: Path,
    workers: int,
    *,
    exact: bool = False,
) -> list[str]:
    """Write the dataset; what an interrupted run staged is used again.

    Args:
        out: folder of the dataset; new, empty, or of an interrupted export.
        exact: images as they are, in the tables, instead of H.264 videos.
    Returns:
        What there is now, and what was left out, in lines for a person.
    Raises:
        QwenVlaError: the folder holds something else, an episode cannot be exported, the episodes
            do not fit each other, or what was written is no valid dataset.
    """
    _check_folder(out)
    work = partial(_stage, out, exact)
    staged = list(each_episode(work, sources, robot, workers, f"export to {out}"))
    left_out = assemble(out, staged, robot.name)
    if problems := problems_of(out):
        raise QwenVlaError(f"{out} is no valid dataset: {'; '.join(problems[:5])}")
    frames, fps = sum(episode.length for episode in staged), staged[0].fps
    size_mb = sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) / 1e6
    lines = [
        f"{len(staged)} episodes, {frames} frames at {fps} Hz ({frames / fps / 60:.1f} minutes), "
        f"{len({episode.task for episode in staged})} tasks, {size_mb:.1f} MB are in {out}"
    ]
    if left_out:
        lines.append(f"left out, because not every episode has it: {', '.join(left_out)}")
    if other := sum(episode.sentences - 1 for episode in staged):
        lines.append(
            f"left out: {other} further instructions of simulated scenes, which were not "
            "followed; LeRobot has one for each episode"
        )
    return lines


def _check_folder(out: Path) -> None:
    """Refuse a folder that holds anything but an unfinished export."""
    if (out / INFO).exists():
        raise QwenVlaError(f"{out} holds a dataset already; choose another folder, or remove it")
    foreign = [p.name for p in out.glob("*") if p.name not in ("data", "meta", "videos")]
    if not (out / UNFINISHED).exists():
        foreign = [path.name for path in out.glob("*")]
    foreign = [name for name in foreign if not name.startswith(".")]
    if foreign:
        raise QwenVlaError(f"{out} holds {sorted(foreign)[0]}; choose a new or empty folder")


def _stage(out: Path, exact: bool, source: EpisodeSource, codec: EmbodimentCodec) -> Staged:
    robot = codec.embodiment.model_dump_json()
    name = staging_name(source.fingerprint(), robot, exact)
    if (found := find_staged(out, name)) is not None:
        return found
    return stage(source.load(codec, views=False), codec, out, name, exact=exact)
