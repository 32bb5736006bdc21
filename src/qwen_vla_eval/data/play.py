"""Episodes as films: what the cameras saw, and what was commanded."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec
from qwen_vla_core.whole_file import write_whole
from qwen_vla_data.checks.finding import seconds_of
from qwen_vla_data.episode import Episode
from qwen_vla_data.images import decode_image
from qwen_vla_data.sources import EpisodeSource

from ..video import EpisodeVideo, frame_width
from .chart import EpisodeChart
from .each_episode import each_episode


def play(
    sources: Sequence[EpisodeSource], robot: Embodiment, out: Path, workers: int
) -> list[str]:
    """Write ``<name>.mp4`` of each episode into ``out``; films that are there stay.

    Returns:
        What there is now, in lines for a person.
    Raises:
        QwenVlaError: an episode cannot be read, or a film not written.
    """
    missing = [source for source in sources if not _film(out, source).exists()]
    if missing:
        for _ in each_episode(partial(_play, out), missing, robot, workers, f"films in {out}"):
            pass
    return [f"{len(missing)} films were made, {len(sources)} are in {out}"]


def _film(out: Path, source: EpisodeSource) -> Path:
    return out / f"{source.name}.mp4"


def _play(out: Path, source: EpisodeSource, codec: EmbodimentCodec) -> None:
    episode = source.load(codec, views=False)
    robot = codec.embodiment
    chart = EpisodeChart(episode, robot, frame_width(len(episode.images)))
    rate_hz = robot.action_hz / episode.stride
    seconds_T = seconds_of(episode, robot)
    with (
        write_whole(_film(out, source)) as whole,
        TemporaryDirectory(dir=out, prefix=".film_") as folder,  # FFmpeg goes by a file's ending
    ):
        film = Path(folder, "film.mp4")
        with EpisodeVideo(film, rate_hz) as video:
            _show(video, episode, chart, seconds_T)
        film.replace(whole)


def _show(
    video: EpisodeVideo, episode: Episode, chart: EpisodeChart, seconds_T: np.ndarray
) -> None:
    for t in range(len(episode.states_TS)):
        images = {
            name: decode_image(frames[t], f"image {t} of camera {name}")
            for name, frames in episode.images.items()
        }
        captions = (episode.instructions[0], _caption(episode, t, seconds_T[t]))
        video.add(images, captions, below=chart.at(t))


def _caption(episode: Episode, t: int, second: float) -> str:
    """What was going on at a step."""
    words = [f"{second:.1f} s"]
    if episode.modes_T is not None:
        words.append(str(episode.modes_T[t]))
    if episode.interventions_T is not None and episode.interventions_T[t]:
        words.append("a person has it")
    if episode.success is not None:
        words.append("success" if episode.success else "failure")
    return "   ".join(words)
