"""Quantiles of recordings beside those of the embodiment."""

from collections.abc import Sequence

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec
from qwen_vla_data.quantiles import ACTION, Range, Samples, ranges_of, samples_of
from qwen_vla_data.sources import EpisodeSource

from ..tables import Table
from .each_episode import each_episode


def measure_quantiles(
    sources: Sequence[EpisodeSource], robot: Embodiment, workers: int
) -> list[Range]:
    """Quantiles of every channel, over all episodes.

    Raises:
        QwenVlaError: an episode cannot be read, or there is nothing to learn from.
    """
    found = list(each_episode(_samples, sources, robot, workers, "quantiles"))
    return ranges_of(found, robot)


def table(ranges: Sequence[Range]) -> Table:
    """For a person."""
    return Table(
        title="Quantiles, q01 to q99",
        columns=("channel", "of", "in the file", "of the recordings", "kept, because"),
        rows=[
            (
                one.channel,
                "action" if one.key == ACTION else "state",
                "{:.4g} to {:.4g}".format(*one.before),
                "{:.4g} to {:.4g}".format(*one.after),
                one.kept,
            )
            for one in ranges
        ],
    )


def _samples(source: EpisodeSource, codec: EmbodimentCodec) -> Samples:
    return samples_of(source.load(codec), codec)
