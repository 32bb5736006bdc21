"""What some episodes hold, as tables: each of them, each instruction, and totals."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec
from qwen_vla_data.sources import EpisodeSource
from qwen_vla_data.summary import EpisodeSummary, summary_of

from ..tables import Table
from .each_episode import each_episode


def summaries(
    sources: Sequence[EpisodeSource], robot: Embodiment, workers: int
) -> list[EpisodeSummary]:
    """Sum up every episode.

    Raises:
        QwenVlaError: one cannot be read.
    """
    return list(each_episode(_summary, sources, robot, workers, "info"))


def tables(
    sources: Sequence[EpisodeSource], found: Sequence[EpisodeSummary], robot: Embodiment
) -> list[str | Table]:
    """For a person."""
    return [_episodes(sources, found), _instructions(found), *_totals(found, robot)]


def as_json(sources: Sequence[EpisodeSource], found: Sequence[EpisodeSummary]) -> dict:
    """In JSON's types, an entry an episode."""
    return {
        "episodes": [
            {"episode": str(source), **asdict(summary)}
            for source, summary in zip(sources, found, strict=True)
        ]
    }


def _episodes(sources: Sequence[EpisodeSource], found: Sequence[EpisodeSummary]) -> Table:
    return Table(
        title="Episodes",
        columns=("episode", "length", "steps", "rate", "longest gap", "success", "by a person"),
        rows=[
            (
                source.name,
                f"{one.length_s:.1f} s",
                str(one.steps),
                f"{one.rate_hz:.3g} Hz",
                f"{one.longest_gap_s:.2f} s",
                _success(one.success),
                "" if one.intervention_share is None else f"{one.intervention_share:.0%}",
            )
            for source, one in zip(sources, found, strict=True)
        ],
    )


def _instructions(found: Sequence[EpisodeSummary]) -> Table:
    rows = []
    for sentence, count in Counter(one.instruction for one in found).most_common():
        of_it = [one for one in found if one.instruction == sentence]
        judged = [one.success for one in of_it if one.success is not None]
        minutes = sum(one.length_s for one in of_it) / 60.0
        success = f"{sum(judged)} of {len(judged)}" if judged else ""
        rows.append((sentence or "(none)", str(count), f"{minutes:.1f}", success))
    return Table(
        title="Instructions", columns=("instruction", "episodes", "minutes", "success"), rows=rows
    )


def _totals(found: Sequence[EpisodeSummary], robot: Embodiment) -> list[str]:
    seconds, steps = sum(one.length_s for one in found), sum(one.steps for one in found)
    megabytes = sum(one.megabytes for one in found)
    judged = [one.success for one in found if one.success is not None]
    shares = [one for one in found if one.intervention_share is not None]
    lines = [
        f"{len(found)} episodes of {robot.name}: {seconds / 60.0:.1f} minutes, "
        f"{steps} steps, {megabytes:.1f} MB of images"
    ]
    unknown = len(found) - len(judged)
    lines.append(
        f"success: {sum(judged)} yes, {len(judged) - sum(judged)} no, {unknown} not judged"
    )
    if shares:
        by_person = sum(one.intervention_share * one.length_s for one in shares)
        recorded = sum(one.length_s for one in shares)
        lines.append(f"a person had the robot for {by_person / recorded:.0%} of the time")
    if lacking := sum(one.left_out is not None for one in found):
        lines.append(
            f"episodes that lack a part that was driven: {lacking}; qwen-vla data check says why"
        )
    if unobserved := sum(one.unobserved for one in found):
        lines.append(f"{unobserved} steps lie in short gaps; they are not learned from")
    cameras = Counter(camera for one in found for camera in one.cameras)
    lines.append(
        "cameras: " + ", ".join(f"{name} in {count}" for name, count in sorted(cameras.items()))
    )
    return lines


def _summary(source: EpisodeSource, codec: EmbodimentCodec) -> EpisodeSummary:
    return summary_of(source.load(codec), codec.embodiment)


def _success(success: bool | None) -> str:
    return {None: "", True: "yes", False: "no"}[success]
